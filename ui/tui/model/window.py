"""The part of a conversation that is in memory: stored items, what waits, and what was said.

Never holds more than MAX_ITEMS: scrolling far away lets the other end go, and coming back reads it
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ui.tui.model.items import Item

PAGE: Final = 80
MAX_ITEMS: Final = 1200
TRIM_TO: Final = 800


@dataclass(slots=True)
class Window:
    """Items in the order of the timeline; `waiting` (the outbox) always stands last.

    `has_older`, `has_newer`: whether the store has more on that side. `first_unread`: the key of
    the item above which the marker stands. `first_read`, `last_read`: how far the store was read
    where lines that show nothing stand beyond the items.
    """

    conversation: str
    items: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    has_older: bool = True
    has_newer: bool = False
    first_unread: str | None = None
    first_read: int | None = None
    last_read: int | None = None
    _known: set[str] = field(default_factory=set)

    def all(self) -> list[Item]:
        """Return everything that is shown."""
        return self.items + self.waiting

    @property
    def first_row(self) -> int | None:
        """The local id of the oldest stored line that was read."""
        if self.first_read is not None:
            return self.first_read
        return next((item.row for item in self.items if item.row is not None), None)

    @property
    def last_row(self) -> int | None:
        """The local id of the newest line that was read and has a place in the log."""
        if self.last_read is not None:
            return self.last_read
        found = (item.row for item in reversed(self.items) if item.seq is not None)
        return next(found, None)

    @property
    def last_seq(self) -> int:
        """The newest entry here."""
        return max((item.seq or 0 for item in self.items), default=0)

    def append(self, found: Iterable[Item]) -> int:
        """Put newer items at the end; return how many were new."""
        fresh = [item for item in found if item.key not in self._known]
        self._known.update(item.key for item in fresh)
        self.items += fresh
        return len(fresh)

    def prepend(self, found: Sequence[Item]) -> int:
        """Put older items at the beginning; return how many were new."""
        fresh = [item for item in found if item.key not in self._known]
        self._known.update(item.key for item in fresh)
        self.items[:0] = fresh
        return len(fresh)

    def trim(self, *, keep_newest: bool) -> bool:
        """Let items go at one end when there are too many; tell whether that happened."""
        if len(self.items) <= MAX_ITEMS:
            return False
        if keep_newest:
            self.items, gone = self.items[-TRIM_TO:], self.items[:-TRIM_TO]
            self.has_older, self.first_read = True, None
        else:
            self.items, gone = self.items[:TRIM_TO], self.items[TRIM_TO:]
            self.has_newer, self.last_read = True, None
        self._known.difference_update(item.key for item in gone)
        return True

    def mark_unread(self, read_seq: int) -> None:
        """Put the marker above the first message of others after `read_seq`."""
        for item in self.items:
            if item.name and not item.own and (item.seq or 0) > read_seq:
                self.first_unread = item.key
                return
        self.first_unread = None
