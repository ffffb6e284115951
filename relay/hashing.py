"""The threads for bcrypt: few, at the lowest priority, with a bounded queue before them.

Never more work than the queue holds: beyond it people are told to come back, and chats go on.
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
CAPACITY: Final = 64  # at 5 a second and thread, 6 s of waiting at most
NICE: Final = 19
R = TypeVar("R")


class HashPool:
    """Runs slow, pure functions beside the event loop."""

    def __init__(self, threads: int = THREADS, capacity: int = CAPACITY) -> None:
        self._pool = ThreadPoolExecutor(threads, "sotto-bcrypt", initializer=_give_way)
        self._capacity = capacity
        self.waiting = 0

    async def run(self, function: Callable[[], R]) -> R:
        """Return what the function returns; raise WireError(unavailable) when too many wait."""
        if self.waiting >= self._capacity:
            text = "Too many people are logging in at once. Try again in a few seconds."
            raise WireError(Code.UNAVAILABLE, text, retry_after_ms=5000)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        """Drop what waits; end the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # On Linux priority belongs to the thread; elsewhere it would be the whole relay's.
    if hasattr(threading, "get_native_id") and os.uname().sysname == "Linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
