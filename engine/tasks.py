"""The background tasks of an account: bounded, ended together, their faults told.

Never swallows a fault of ours: it goes to the loop's exception handler and ends the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from engine.events import Event, Notice
from wire.errors import Code, WireError

MAX_TASKS: Final = 4096  # at once; what is more waits for the next connect
_TOLD: Final = frozenset({Code.DISK_FULL, Code.STORE_DAMAGED})


class Tasks:
    """Runs coroutines; `on_fault` is called after one ended with anything but a WireError."""

    def __init__(self, emit: Callable[[Event], None], *, on_fault: Callable[[], None]) -> None:
        self._emit = emit
        self._on_fault = on_fault
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run `work`; None when there are too many already."""
        if len(self._running) >= MAX_TASKS:
            work.close()
            return None
        task = asyncio.create_task(self._watched(work))
        self._running.add(task)
        task.add_done_callback(lambda task: self._ended(task, work))
        return task

    async def end(self) -> None:
        """Cancel what runs, and wait until it is over."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        """A WireError ends the work: what it left undone is found at the next connect."""
        try:
            await work
        except WireError as error:
            if error.code in _TOLD:
                self._emit(Notice(kind="warning", text=error.text))

    def _ended(self, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        self._running.discard(task)
        work.close()  # it may have been cancelled before it began
        if task.cancelled() or task.exception() is None:
            return
        context = {"message": "a task of the engine failed", "exception": task.exception()}
        task.get_loop().call_exception_handler(context)
        self._on_fault()
