"""The threads for bcrypt: few, at the lowest priority, with a bounded queue before them.

Never more work than the queue holds, nor longer than a client waits: beyond that people are told to
come back, and chats go on.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from wire.errors import Code, WireError

THREADS: Final = 2
CAPACITY: Final = 64  # at 5 a second and thread, 6 s of waiting on a core that has time
PATIENCE_S: Final = 20.0  # on one that has none: less than a client's own, so that it is told
NICE: Final = 19
R = TypeVar("R")


class HashPool:
    """Runs slow, pure functions beside the event loop."""

    def __init__(
        self, threads: int = THREADS, capacity: int = CAPACITY, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, "sotto-bcrypt", initializer=_give_way)
        self._capacity = capacity
        self._patience_s = patience_s
        self.waiting = 0

    async def run(self, function: Callable[[], R]) -> R:
        """Return what the function returns.

        Raises WireError(unavailable) when too many wait, or it took too long; what had not begun
        by then is not begun any more.
        """
        if self.waiting >= self._capacity:
            text = "Too many people are logging in at once. Try again in a few seconds."
            raise WireError(Code.UNAVAILABLE, text, retry_after_ms=5000)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        except TimeoutError:
            text = "The relay is too busy to check passwords. Nothing was done: try again later."
            raise WireError(Code.UNAVAILABLE, text, retry_after_ms=30_000) from None
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Drop what waits; end the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # On Linux priority belongs to the thread; elsewhere it would be the whole relay's.
    if hasattr(threading, "get_native_id") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
