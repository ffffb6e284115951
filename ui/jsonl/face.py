"""Run the JSON face: lines in, calls on the session one after another, lines out.

Never runs two calls at once: what a script pipes in happens in the order it was written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from typing import BinaryIO

from msgspec import structs

from engine.events import Event, event_name, event_params
from engine.session import Session
from ui.jsonl.protocol import (
    MAX_LINE_BYTES,
    Call,
    RpcError,
    notification_line,
    parse,
    refused_line,
    result_line,
    rpc_error_line,
)
from wire.errors import WireError

LINES_AHEAD = 64  # what is read from a pipe before it is worked on; then the writer waits


async def run(session: Session, source: BinaryIO, sink: BinaryIO) -> int:
    """Answer requests from `source` on `sink` until it ends; return the exit status."""
    output = _Output(sink)

    def notify(event: Event) -> None:
        output.write(notification_line(event_name(event), event_params(event)))

    unsubscribe = session.subscribe(notify)
    try:
        await session.start()
        async for line in read_lines(source):
            if line.strip():
                answer = await _answer(session, line)
                if answer is not None:
                    output.write(answer)
            if output.is_closed:
                break
    finally:
        unsubscribe()
        await session.close()
    return 0


async def _answer(session: Session, line: bytes) -> bytes | None:
    try:
        call = parse(line)
    except RpcError as error:
        return rpc_error_line(error)
    try:
        result = await _perform(session, call)
    except WireError as error:
        return refused_line(call.request_id, error) if call.wants_answer else None
    return result_line(call.request_id, result) if call.wants_answer else None


async def _perform(session: Session, call: Call) -> object:
    return await getattr(session, call.method)(**structs.asdict(call.params))


class _Output:
    """Standard output: whole lines, and silence once the reader is gone."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.is_closed = False

    def write(self, line: bytes) -> None:
        if self.is_closed:
            return
        try:
            self._sink.write(line)
            self._sink.flush()
        except (BrokenPipeError, ValueError):
            self.is_closed = True


async def read_lines(source: BinaryIO) -> AsyncIterator[bytes]:
    """Yield lines as they come, from a pipe, a file or a terminal, without blocking the loop.

    A line over MAX_LINE_BYTES comes cut to one byte more, the rest of it is dropped: parse refuses
    it. A thread reads, since standard input may be a file, which no event loop can wait for.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    room = threading.Semaphore(LINES_AHEAD)
    stopped = threading.Event()

    def read() -> None:
        while not stopped.is_set():
            line = _read_line(source)
            room.acquire()
            with contextlib.suppress(RuntimeError):  # the loop may be gone
                loop.call_soon_threadsafe(queue.put_nowait, line or None)
            if not line:
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    try:
        while (line := await queue.get()) is not None:
            room.release()
            yield line
    finally:
        stopped.set()
        room.release()


def _read_line(source: BinaryIO) -> bytes:
    try:
        line = source.readline(MAX_LINE_BYTES + 1)
        rest = line
        while rest and not rest.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
            rest = source.readline(MAX_LINE_BYTES)
    except (OSError, ValueError):
        return b""
    return line


def standard_output() -> BinaryIO:
    """Return standard output for our lines alone: what else is printed goes to standard error."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink
