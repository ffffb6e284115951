"""A relay that lies: it sits between clients and the real relay with the real relay's own TLS key.

With another certificate it is whoever sits on the network. What a network attacker cannot do,
whoever runs the relay can: read every frame, hold it back, change it, repeat it, and say what the
relay never said.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeAlias

from msgspec import structs

from tests.processes import Relay
from tests.system.certificates import Files
from tests.system.websocket import BINARY, read_frame, write_frame
from wire import codec
from wire.pushes import Push
from wire.replies import LoggedIn, Reply
from wire.requests import Hello, Request

FromRelay: TypeAlias = Reply | Push
Down: TypeAlias = Callable[["Line", FromRelay], Iterable[FromRelay]]
Up: TypeAlias = Callable[["Line", Request], Iterable[Request]]


class Line:
    """One client's connection. `name`: the account that it logged in to."""

    def __init__(self, writer: asyncio.StreamWriter, loop: asyncio.AbstractEventLoop) -> None:
        self.name = ""
        self.ended_at_s: float | None = None  # of time.monotonic()
        self.asked: dict[int, Request] = {}  # the client's requests by rid, as they were sent
        self.far: asyncio.StreamWriter | None = None  # towards the relay
        self._writer, self._loop = writer, loop

    def note(self, request: Request) -> None:
        if isinstance(request, Hello):
            return
        self.asked[request.rid] = request

    def say(self, frame: FromRelay) -> None:
        """Send the client a frame of ours; from any thread."""
        data = write_frame(codec.encode(frame), mask=False)
        self._loop.call_soon_threadsafe(self._writer.write, data)

    def send_up(self, request: Request) -> None:
        """Send the relay a request of ours or one held back; from any thread."""
        assert self.far is not None
        data = write_frame(codec.encode(request), mask=True)
        self._loop.call_soon_threadsafe(self.far.write, data)

    def cut(self) -> None:
        """End the connection without a word; from any thread."""
        self._loop.call_soon_threadsafe(self._writer.transport.abort)


class Between:
    """`down` and `up` see each frame and return those that go on; they run on one thread of ours.

    `frames`: every frame's bytes, both ways, as the relay's own process would see them.
    """

    def __init__(
        self,
        relay: Relay,
        *,
        down: Down | None = None,
        up: Up | None = None,
        tls: Files | None = None,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        self.relay, self.down, self.up = relay, down, up
        self._tls = tls or Files(relay.data / "tls.crt", relay.data / "tls.key")
        self._version = version
        self.lines: list[Line] = []
        self.frames: list[bytes] = []
        self.faults: list[BaseException] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    def line_of(self, name: str) -> Line:
        """Return the newest connection of an account."""
        return [line for line in self.lines if line.name == name][-1]

    def __enter__(self) -> Between:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        if kind is None:
            assert not self.faults, self.faults

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._server.close()
        self._loop.run_until_complete(self._end(tasks))
        self._loop.close()

    async def _end(self, tasks: set[asyncio.Task[None]]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        for _ in range(8):  # the turns in which transports let go of their sockets
            await asyncio.sleep(0)

    async def _listen(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = self._version
        context.load_cert_chain(self._tls.certificate, self._tls.key)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        line = Line(writer, self._loop)
        self.lines.append(line)
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.relay.port, ssl=trusting
            )
        except OSError:
            writer.transport.abort()
            return
        line.far = far_writer
        self._writers += [writer, far_writer]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_up(line, reader, far_writer))
                group.create_task(self._pass_down(line, far_reader, writer))
        except* (OSError, EOFError, asyncio.CancelledError):
            pass
        except* Exception as faults:
            self.faults += faults.exceptions
        finally:
            line.ended_at_s = self._loop.time()
            for end in (writer, far_writer):
                with contextlib.suppress(OSError, RuntimeError):
                    end.close()

    async def _pass_up(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        while True:
            raw = await read_frame(reader)
            if raw.opcode != BINARY:
                writer.write(write_frame(raw.payload, mask=True, first=raw.first))
                continue
            self.frames.append(raw.payload)
            request = codec.decode_request(raw.payload)
            line.note(request)
            for sent in (request,) if self.up is None else self.up(line, request):
                data = raw.payload if sent is request else codec.encode(sent)
                writer.write(write_frame(data, mask=True))
            await writer.drain()

    async def _pass_down(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(await reader.readuntil(b"\r\n\r\n"))
        while True:
            raw = await read_frame(reader)
            if raw.opcode != BINARY:
                writer.write(write_frame(raw.payload, mask=False, first=raw.first))
                continue
            self.frames.append(raw.payload)
            frame = codec.decode_from_relay(raw.payload)
            if isinstance(frame, LoggedIn):
                line.name = frame.account
            for sent in (frame,) if self.down is None else self.down(line, frame):
                data = raw.payload if sent is frame else codec.encode(sent)
                writer.write(write_frame(data, mask=False))
            await writer.drain()


def answered(line: Line, reply: FromRelay) -> Request | None:
    """Return the request that a reply answers."""
    rid = getattr(reply, "rid", None)
    return line.asked.get(rid) if rid is not None else None


changed = structs.replace
