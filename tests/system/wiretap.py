"""A recorder on the line: every byte that passes between a client and where it connects to.

Never looks inside: it holds no key, as the network holds none.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class Wiretap:
    """Listens on a port of its own and passes everything on to 127.0.0.1:`port`, keeping a copy."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._kept: list[bytes] = []
        self._open: list[socket.socket] = []

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def captured(self) -> bytes:
        """Return what passed so far, in both directions."""
        return b"".join(self._kept)

    def __enter__(self) -> Wiretap:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._listener.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._kept.append(data)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
