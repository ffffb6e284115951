"""How many requests may be worked on at once, before those who send most are read more slowly.

Never refuses a request and never drops one: what is not read yet waits in the sender's own queue.
"""

from __future__ import annotations

from typing import Any, Final

from relay.worker import CAPACITY
from wire.requests import Append, Create, Publish

MANY: Final = CAPACITY // 2  # in flight together: from here on nobody takes more than his share
MOST: Final = 1024  # of one connection
MANY_BYTES: Final = 64 << 20  # that wait in memory, of all
MOST_BYTES: Final = 2 << 20  # of one connection


def size_of(request: Any) -> int:
    """Return the bytes that a request keeps in memory while it waits, if they are many."""
    if isinstance(request, Append):
        parts = request.commit
        brought = 0 if parts is None else len(parts.group_info) + _total(parts.nodes)
        return len(request.message) + brought
    if isinstance(request, Create):
        return _total(request.nodes)
    return _total(request.packages) if isinstance(request, Publish) else 0


def _total(pieces: tuple[bytes, ...]) -> int:
    return sum(len(piece) for piece in pieces)


class Flow:
    """Counts the requests in flight; `sessions` is how many connections share."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.size_bytes = 0
        self.sessions = 0

    def began(self, own: int, *, size: int = 0, own_bytes: int = 0) -> bool:
        """One more, of a connection that has `own` now: whether it is to be read on."""
        self.in_flight += 1
        self.size_bytes += size
        if own_bytes >= MOST_BYTES:
            return False
        if self.size_bytes >= MANY_BYTES and own_bytes >= MANY_BYTES // max(1, self.sessions):
            return False
        return own < MOST and (self.in_flight < MANY or own < self._share())

    def done(self, own: int, *, count: int = 1, size: int = 0, own_bytes: int = 0) -> bool:
        """So many less, of a connection that has `own` left: whether it may be read again."""
        self.in_flight -= count
        self.size_bytes -= size
        if own_bytes > min(MOST_BYTES, MANY_BYTES // max(1, self.sessions)) // 2:
            return False
        return own <= self._share() // 2 or (own < MOST // 2 and self.in_flight < MANY // 2)

    def _share(self) -> int:
        return min(MOST, MANY // max(1, self.sessions))
