"""Faults from below as errors that faces and scripts know: the store's, and a peer's.

Never hides one: what has no code of its own keeps its text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from crypto.errors import PeerError
from storage.errors import StoreError
from wire.errors import Code, WireError

T = TypeVar("T")


def from_store(error: StoreError) -> WireError:
    """Return a store's fault under its own code."""
    return WireError(error.code, error.text)


def from_peer(error: PeerError, *, code: Code = Code.UNAVAILABLE, what: str) -> WireError:
    """Return what was wrong with something received: `what` names it, the rule's code follows."""
    return WireError(code, f"{what} was refused ({error.code}). Nothing was changed.")


class SafeStore:
    """A Store whose faults are WireErrors."""

    def __init__(self, store: Any) -> None:
        self._store = store

    async def run(self, work: Callable[[Any], T], *, then: Callable[[T], None] | None = None) -> T:
        """See engine.context.Store."""
        try:
            result: T = await self._store.run(work, then=then)
        except StoreError as error:
            raise from_store(error) from error
        return result

    async def query(self, work: Callable[[Any], T]) -> T:
        """See engine.context.Store."""
        try:
            result: T = await self._store.query(work)
        except StoreError as error:
            raise from_store(error) from error
        return result

    async def truncate_wal(self) -> None:
        """See engine.context.Store."""
        try:
            await self._store.truncate_wal()
        except StoreError as error:
            raise from_store(error) from error
