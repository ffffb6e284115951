"""The operator's way into a running relay: a socket in the data folder that only its owner opens.

Never a network port, and nothing that the admin commands could not do to the database themselves:
through the relay they take effect at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from relay.datafolder import CONTROL_SOCKET
from relay.errors import StartError
from wire.errors import WireError

MAX_LINE_BYTES: Final = 1 << 20
TIMEOUT_S: Final = 30.0
Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class ControlSocket:
    """Listens in the folder; one JSON object a line is asked, one answered, then it closes."""

    def __init__(self, folder: Path, handle: Handler) -> None:
        self._folder = folder
        self._handle = handle
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Begin to listen. The folder's lock is held: what lies there is nobody's."""
        path = self._folder / CONTROL_SOCKET
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _inside(self._folder):
            listener.bind(CONTROL_SOCKET)
        path.chmod(0o600)
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listener, limit=MAX_LINE_BYTES
        )

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        (self._folder / CONTROL_SOCKET).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.TimeoutError, ValueError):
            async with asyncio.timeout(TIMEOUT_S):
                writer.write(await self._answer(await reader.readline()))
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> bytes:
        try:
            asked = json.loads(line)
            answer = await self._handle(asked if isinstance(asked, dict) else {})
        except WireError as error:
            answer = {"error": error.text, "code": error.code.value}
        return json.dumps(answer).encode() + b"\n"


def ask(folder: Path, command: dict[str, Any]) -> dict[str, Any] | None:
    """Have a running relay do something; None when none runs there. Raises StartError.

    Blocks: for the command line.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(TIMEOUT_S)
        try:
            with _inside(folder):
                peer.connect(CONTROL_SOCKET)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise StartError(f"Cannot reach the relay on {folder}: {error.strerror}.") from None
        try:
            peer.sendall(json.dumps(command).encode() + b"\n")
            with peer.makefile("rb") as stream:
                answer = json.loads(stream.readline(MAX_LINE_BYTES))
        except (OSError, ValueError):
            raise StartError("The relay did not answer: see its log.") from None
    if not isinstance(answer, dict):
        raise StartError("The relay did not answer: see its log.")
    return answer


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    # A socket's path has at most 107 bytes; its name in the current folder always fits.
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)
