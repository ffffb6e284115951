"""A connection from the moment it is accepted: its number, its address, how to end it.

Never logged with its address unless the operator asked for that.
"""

from __future__ import annotations

from collections.abc import Callable

from relay.throttle import address_key


class Arrival:
    """What is known of a connection below the WebSocket."""

    __slots__ = ("_abort", "address", "deadline_s", "is_known", "key", "number", "unread_bytes")

    def __init__(self, number: int, address: str, deadline_s: float) -> None:
        self.number = number
        self.address = address
        self.key = address_key(address)
        self.deadline_s = deadline_s  # by then the next step must be done; inf once logged in
        self.is_known = False
        self.unread_bytes = 0
        self._abort: Callable[[], object] | None = None

    def abort_with(self, abort: Callable[[], object]) -> None:
        """From now on the connection is ended so."""
        self._abort = abort

    def abort(self) -> None:
        """End the connection at once."""
        abort, self._abort = self._abort, None
        if abort is not None:
            abort()
