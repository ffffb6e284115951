"""Who is online: an account is while one of its devices is connected.

Never sends: it collects the changes that a push tells, and drops those that undid themselves.
"""

from __future__ import annotations

import heapq

from wire.pushes import Presence

MAX_CHANGES = 256  # of one push: well under a frame


class Online:
    """Accounts by their number of connections, and what changed since the last `take_changes`."""

    def __init__(self) -> None:
        self._connections: dict[str, int] = {}
        self._displays: dict[str, str] = {}
        self._before: dict[str, bool] = {}

    def __contains__(self, account: object) -> bool:
        return account in self._connections

    def __len__(self) -> int:
        return len(self._connections)

    def names_after(self, account: str, limit: int) -> tuple[tuple[str, str], ...]:
        """Return (account, display) of those online, by account, after one; `limit` at most."""
        later = (name for name in self._connections if name > account)
        found = heapq.nsmallest(limit, later)
        return tuple((name, self._displays[name]) for name in found)

    def arrive(self, account: str, display: str) -> None:
        """A device of the account connected."""
        self._before.setdefault(account, account in self._connections)
        self._connections[account] = self._connections.get(account, 0) + 1
        self._displays[account] = display

    def depart(self, account: str) -> None:
        """A device of the account is gone."""
        self._before.setdefault(account, account in self._connections)
        left = self._connections.pop(account) - 1
        if left:
            self._connections[account] = left

    def take_changes(self) -> list[Presence]:
        """Return what to tell, in frames of bounded size, and start anew."""
        changes = [
            (account, self._displays[account], account in self._connections)
            for account, was in self._before.items()
            if was != (account in self._connections)
        ]
        self._before.clear()
        for account in list(self._displays):
            if account not in self._connections:
                del self._displays[account]
        return [
            Presence(tuple(changes[start : start + MAX_CHANGES]))
            for start in range(0, len(changes), MAX_CHANGES)
        ]
