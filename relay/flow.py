"""How many requests may be worked on at once, before those who send most are read more slowly.

Never refuses a request and never drops one: what is not read yet waits in the sender's own queue.
"""

from __future__ import annotations

from typing import Final

from relay.worker import CAPACITY

MANY: Final = CAPACITY // 2  # in flight together: from here on nobody takes more than his share
MOST: Final = 1024  # of one connection


class Flow:
    """Counts the requests in flight; `sessions` is how many connections share."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.sessions = 0

    def began(self, own: int) -> bool:
        """One more, of a connection that has `own` now: whether it is to be read on."""
        self.in_flight += 1
        return own < MOST and (self.in_flight < MANY or own < self._share())

    def done(self, own: int) -> bool:
        """One less, of a connection that has `own` left: whether it may be read again."""
        self.in_flight -= 1
        return own <= self._share() // 2 or (own < MOST // 2 and self.in_flight < MANY // 2)

    def _share(self) -> int:
        return min(MOST, MANY // max(1, self.sessions))
