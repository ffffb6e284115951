"""picows' protocol for one connection: the HTTP upgrade and the frames, before and after log-in.

Never lets somebody who has not logged in send more than a log-in takes, and never logs a word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from picows import WSAutoPingStrategy
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from relay.arrival import Arrival
from wire.limits import HANDSHAKE_TIMEOUT_S, MAX_FRAME_BYTES, MAX_FRAME_BYTES_STRANGER

READ_BUFFER_BYTES: Final = 4096
MAX_REQUEST_HEAD_BYTES: Final = 16 << 10  # what picows takes of an HTTP request
_LOUD: Final = MAX_REQUEST_HEAD_BYTES + MAX_FRAME_BYTES_STRANGER + 16


class StrangersProtocol(WSProtocol):  # type: ignore[misc]
    """picows' protocol that ends a connection which sends too much before it has logged in."""

    def __init__(
        self,
        arrival: Arrival,
        factory: Callable[[Any], Any],
        gone: Callable[[Arrival], None],
    ) -> None:
        super().__init__(
            None,  # host and port, path: a client's
            None,
            False,  # a server
            factory,
            _SILENT,
            True,  # end the connection when a callback raises
            HANDSHAKE_TIMEOUT_S,
            False,  # pings: relay.running looks after all connections at once
            0,
            0,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,
            MAX_FRAME_BYTES,
            None,
            READ_BUFFER_BYTES,
        )
        self._arrival = arrival
        self._gone = gone

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is gone, upgraded or not."""
        super().connection_lost(error)
        self._gone(self._arrival)

    def buffer_updated(self, size: int) -> None:
        """Take `size` bytes that have come."""
        arrival = self._arrival
        if not arrival.is_known:
            arrival.unread_bytes += size
            if arrival.unread_bytes > _LOUD:
                arrival.abort()
                return
        super().buffer_updated(size)


class _Silent:
    """A logger that says nothing: picows' lines have addresses and frames in them."""

    def isEnabledFor(self, _level: int) -> bool:  # noqa: N802
        return False

    def log(self, *_arguments: object, **_keywords: object) -> None:
        pass

    debug = info = warning = error = exception = log


_SILENT: Final = _Silent()
