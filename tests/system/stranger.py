"""A client that is not ours: TLS and WebSocket by hand, to say what our client never would."""

from __future__ import annotations

import contextlib
import socket
import ssl
from types import TracebackType
from typing import TypeVar

from tests.system.websocket import BINARY, CLOSE, upgrade_request, write_frame
from wire import codec
from wire.limits import NONCE_BYTES, PROTOCOL_VERSION
from wire.replies import RelayHello
from wire.requests import Hello, Request

T = TypeVar("T")


def trusting() -> ssl.SSLContext:
    """Return TLS that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Stranger:
    """One connection to 127.0.0.1:`port`; ended with the `with`."""

    def __init__(self, port: int, *, timeout_s: float = 15.0) -> None:
        self._server = f"127.0.0.1:{port}"
        plain = socket.create_connection(("127.0.0.1", port), timeout_s)
        self.socket = trusting().wrap_socket(plain)
        self._got = b""

    def __enter__(self) -> Stranger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def upgrade(self, **headers: str) -> bytes:
        """Ask for a WebSocket; return the answer's status line and headers."""
        self.socket.sendall(upgrade_request(self._server, **headers))
        while b"\r\n\r\n" not in self._got:
            if not (more := self.socket.recv(1 << 16)):
                break
            self._got += more
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        return head

    def hello(self) -> RelayHello:
        """Upgrade and exchange hellos."""
        assert b" 101 " in self.upgrade().splitlines()[0]
        self.send(Hello(PROTOCOL_VERSION, bytes(NONCE_BYTES)))
        return self.expect(RelayHello)

    def send(self, request: Request) -> None:
        self.raw(codec.encode(request))

    def raw(self, payload: bytes, *, first: int = 0x80 | BINARY) -> None:
        """Send a frame whose first byte and payload are whatever the test wants."""
        self.socket.sendall(write_frame(payload, mask=True, first=first))

    def expect(self, kind: type[T]) -> T:
        """Return the next frame, which must be of that kind."""
        payload = self.payload()
        assert payload is not None, "the relay ended the connection"
        frame = codec.decode_from_relay(payload)
        assert isinstance(frame, kind), frame
        return frame

    def payload(self) -> bytes | None:
        """Return the next binary frame's payload, or None when the connection ended."""
        while True:
            head = self._take(2)
            if head is None:
                return None
            size = head[1]
            if size > 125:
                length = self._take(2 if size == 126 else 8)
                assert length is not None
                size = int.from_bytes(length)
            payload = self._take(size)
            if payload is None or head[0] & 0x0F == CLOSE:
                return None
            if head[0] & 0x0F == BINARY:
                return payload

    def is_ended(self) -> bool:
        """Wait until the relay ends the connection; what it still says is dropped."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while self.payload() is not None:
                pass
        return True

    def _take(self, count: int) -> bytes | None:
        while len(self._got) < count:
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionError, ssl.SSLEOFError):
                more = b""
            if not more:
                return None
            self._got += more
        taken, self._got = self._got[:count], self._got[count:]
        return taken
