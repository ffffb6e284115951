"""Lines from standard input, whatever it is, without blocking the event loop.

Never reads further than a few lines ahead of the work: a fast writer waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import BinaryIO

MAX_LINE_BYTES = 1 << 20  # the largest text, escaped six bytes a byte, and room to spare
LINES_AHEAD = 64


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
