"""One WebSocket connection: picows' callbacks on one side, whole binary messages on the other.

Never decides anything about a request: it refuses what is not a plain binary frame (text,
fragments, reserved bits, hence compression), answers pings, and closes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Protocol

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from relay.arrival import Arrival
from relay.context import Proof
from relay.flow import Flow
from relay.handshake import State
from relay.outlet import Outlet, Turn
from relay.throttle import Bucket

CLOSE_TIMEOUT_S: Final = 5.0
_MAX_CONTROL_FRAMES: Final = 100  # pings and the like between two requests
_BINARY: Final = WSMsgType.BINARY


class Receiver(Protocol):
    """Who is told of a connection's messages."""

    def receive(self, connection: Connection, payload: memoryview) -> None:
        """Take one message; `payload` is valid during the call only."""

    def disconnected(self, connection: Connection) -> None:
        """The connection is gone."""


class Connection(WSListener):
    """A connection after its HTTP upgrade. For the event loop's thread only.

    `number` is what logs call it; `state` and what follows belong to relay.dispatch.
    """

    __slots__ = (
        "_controls",
        "_flow",
        "_held",
        "_loop",
        "_receiver",
        "_transport",
        "arrival",
        "bucket",
        "found",
        "in_flight",
        "in_flight_bytes",
        "is_heard",
        "is_paused",
        "outlet",
        "proof",
        "session",
        "silence",
        "state",
        "tls_spki_hash",
    )

    def __init__(
        self,
        arrival: Arrival,
        receiver: Receiver,
        *,
        turn: Turn,
        flow: Flow,
        loop: asyncio.AbstractEventLoop,
        tls_spki_hash: bytes,
    ) -> None:
        super().__init__()
        self._receiver = receiver
        self._flow = flow
        self._loop = loop
        self._transport: WSTransport | None = None
        self._controls = 0
        self.arrival = arrival
        self.outlet = Outlet(turn, self)
        self.tls_spki_hash = tls_spki_hash
        self.state = State.HELLO
        self.proof: Proof | None = None
        self.found: Any = None  # the account that a log-in without a device found
        self.session: Any = None
        self.bucket: Bucket | None = None
        self._held: deque[bytes] = deque()
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.is_paused = False
        self.is_heard = True
        self.silence = 0

    @property
    def number(self) -> int:
        """What logs call this connection."""
        return self.arrival.number

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The HTTP upgrade is done."""
        self._transport = transport
        self.arrival.abort_with(transport.underlying_transport.abort)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame came."""
        self.is_heard = True
        if frame.msg_type != _BINARY:
            self._control(transport, frame)
        elif not frame.fin or frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.refuse(WSCloseCode.PROTOCOL_ERROR)
        elif not self.outlet.is_closed:
            self._controls = 0
            self.arrival.unread_bytes = 0
            if self.is_paused or self._held:  # the rest of what was read at once
                self._held.append(frame.get_payload_as_bytes())
            else:
                self._receiver.receive(self, frame.get_payload_as_memoryview())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self.outlet.is_closed = True
        self._held.clear()
        self._receiver.disconnected(self)

    def pause_writing(self) -> None:
        """The peer reads slowly."""
        self.outlet.is_congested = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.outlet.is_congested = False

    # What the outlet calls.

    def write(self, data: bytes) -> None:
        """Send, or keep until the peer takes it."""
        if self._transport is not None:
            self._transport.underlying_transport.write(data)

    def unsent_bytes(self) -> int:
        """Return how much the peer has not taken."""
        transport = self._transport
        return 0 if transport is None else transport.underlying_transport.get_write_buffer_size()

    def finish(self) -> None:
        """Close after what was written; cut the line if the peer does not take it in time."""
        self._close(WSCloseCode.OK)

    def began(self, size: int) -> None:
        """A request of some bytes is being worked on; with too many, nothing more is read."""
        self.in_flight += 1
        self.in_flight_bytes += size
        own_bytes = self.in_flight_bytes
        if self._flow.began(self.in_flight, size=size, own_bytes=own_bytes) or self.is_paused:
            return
        if self._transport is not None:
            self.is_paused = True
            self._transport.underlying_transport.pause_reading()

    def done(self, size: int, *, count: int = 1) -> None:
        """Requests of some bytes in all were worked on."""
        self.in_flight -= count
        self.in_flight_bytes -= size
        is_free = self._flow.done(
            self.in_flight, count=count, size=size, own_bytes=self.in_flight_bytes
        )
        if is_free and self.is_paused:
            self.is_paused = False
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        """Take what came before the pause; when that is done, read again."""
        held = self._held
        while held and not self.is_paused and not self.outlet.is_closed:
            self._receiver.receive(self, memoryview(held.popleft()))
        if self.is_paused or self.outlet.is_closed or self._transport is None:
            return
        transport = self._transport.underlying_transport
        transport.resume_reading()
        # aiofastnet 1.2 then looks at the socket alone, and would leave what TLS has taken from it
        # before the pause lying until more comes.
        retry = getattr(transport, "_retry_ssl_read", None)
        if retry is not None:
            self._loop.call_soon(retry)

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if self._transport is not None and not self.outlet.is_closed:
            self._transport.send_ping()

    def refuse(self, code: WSCloseCode) -> None:
        """Close because of what the peer sent."""
        if not self.outlet.is_closed:
            self.outlet.is_closed = True
            self._close(code)

    def cut(self) -> None:
        """End the connection at once."""
        self.arrival.abort()

    def _close(self, code: WSCloseCode) -> None:
        transport = self._transport
        if transport is None:
            self.cut()
            return
        transport.send_close(code)
        transport.disconnect()
        self._loop.call_later(CLOSE_TIMEOUT_S, self.cut)

    def _control(self, transport: WSTransport, frame: WSFrame) -> None:
        self._controls += 1
        kind = frame.msg_type
        whole = frame.fin and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        if not whole or self._controls > _MAX_CONTROL_FRAMES:
            self.refuse(WSCloseCode.PROTOCOL_ERROR)
        elif kind == WSMsgType.PING:
            if not self.outlet.is_closed:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self.refuse(WSCloseCode.OK)
        elif kind != WSMsgType.PONG:  # text, or a piece of a message
            self.refuse(WSCloseCode.UNSUPPORTED_DATA)
