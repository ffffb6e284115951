"""The connections that have not logged in: so many in all, so many from one address.

Never refuses the newest: a full table lets go of an old one, first those that said nothing, of the
address that has most. So a flood from one place pushes out itself.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class Strangers(Generic[T]):
    """Items (hashable) by address; `silent` ones have not said hello yet."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._count = 0
        self._silent: dict[str | None, OrderedDict[T, None]] = {}
        self._greeted: dict[str | None, OrderedDict[T, None]] = {}

    def __len__(self) -> int:
        return self._count

    def admit(self, address: str | None, item: T) -> T | None:
        """Take a new connection in; return the one to end for it, if any."""
        evicted = None
        if self._of(address) >= self._per_address:
            evicted = self._pop_oldest(address)
        elif self._count >= self._total:
            evicted = self._pop_oldest(max(self._addresses(), key=self._of))
        self._silent.setdefault(address, OrderedDict())[item] = None
        self._count += 1
        return evicted

    def greet(self, address: str | None, item: T) -> None:
        """The connection said hello: it is let go of after the silent ones."""
        if self._drop(self._silent, address, item):
            self._greeted.setdefault(address, OrderedDict())[item] = None
            self._count += 1

    def remove(self, address: str | None, item: T) -> None:
        """The connection logged in or is gone; repeating it does nothing."""
        self._drop(self._silent, address, item) or self._drop(self._greeted, address, item)

    def items(self) -> list[T]:
        """Return all of them."""
        tables = [*self._silent.values(), *self._greeted.values()]
        return [item for table in tables for item in table]

    def _addresses(self) -> set[str | None]:
        return self._silent.keys() | self._greeted.keys()

    def _of(self, address: str | None) -> int:
        return len(self._silent.get(address, ())) + len(self._greeted.get(address, ()))

    def _pop_oldest(self, address: str | None) -> T:
        table = self._silent if address in self._silent else self._greeted
        item = next(iter(table[address]))
        self._drop(table, address, item)
        return item

    def _drop(
        self, table: dict[str | None, OrderedDict[T, None]], address: str | None, item: T
    ) -> bool:
        items = table.get(address)
        if items is None or item not in items:
            return False
        del items[item]
        self._count -= 1
        if not items:
            del table[address]
        return True
