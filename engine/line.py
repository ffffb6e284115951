"""The line to the relay: one connection at a time, made again as engine/reconnect.py decides.

Never logs in by itself: `enter` does. Never decides what a push means.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as _random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from engine.link import Connection
from engine.reconnect import (
    STEADY_AFTER_S,
    Happening,
    State,
    after_end,
    after_refusal,
    step,
    wait_s,
)
from wire.errors import Code, WireError
from wire.pushes import Ended
from wire.replies import LoggedIn, Reply
from wire.requests import Request

_OFFLINE: Final = "There is no connection to the relay. What you write is kept and sent later."


@dataclass(frozen=True, slots=True)
class Doings:
    """What a line does, given from outside.

    `dial` makes a connection whose relay has proved itself, `enter` logs in on it; both raise
    WireError. `on_ready` and `on_down` are called from the loop and must not block; `on_down` gets
    why, what the relay said, and the seconds until the next try (None: only when asked).
    """

    dial: Callable[[], Awaitable[Connection]]
    enter: Callable[[Connection], Awaitable[LoggedIn]]
    on_ready: Callable[[Connection, LoggedIn], None]
    on_down: Callable[[WireError, Ended | None, float | None], None]
    chance: Callable[[], float] = _random.random


class Line:
    """A Link (engine/context.py) that heals itself."""

    def __init__(self, doings: Doings) -> None:
        self._doings = doings
        self._state = State.IDLE
        self._connection: Connection | None = None
        self._tries = 0
        self._asked = asyncio.Event()
        self._turn = asyncio.Condition()
        self._last_error: WireError | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Where the line stands."""
        return self._state

    @property
    def is_connected(self) -> bool:
        """Whether a session is ready."""
        return self._connection is not None and self._connection.is_open

    async def request(self, frame: Request) -> Reply:
        """See engine.context.Link."""
        if self._connection is None:
            raise WireError(Code.NOT_CONNECTED, _OFFLINE)
        return await self._connection.request(frame)

    async def ask(self) -> None:
        """Want a session, now; return when it is ready.

        Raises the WireError of this one try; tries that are worth it go on behind.
        """
        if self.is_connected:
            return
        self._last_error = None
        if self._state is not State.DIALLING:
            self._move(Happening.ASKED)
        self._tries = 0
        self._asked.set()
        self._ensure_running()
        async with self._turn:
            await self._turn.wait_for(lambda: self._state is not State.DIALLING)
        if self._last_error is not None and not self.is_connected:
            raise self._last_error

    def adopt(self, connection: Connection, logged_in: LoggedIn) -> None:
        """Take over a session that registering or logging in made; it is ready at once."""
        self._begin(connection, logged_in)
        self._ensure_running(connection)

    def fail(self, error: WireError) -> None:
        """End the session; the line comes back by itself."""
        if self._connection is not None:
            self._connection.fail(error)

    async def stop(self) -> None:
        """End the session and try no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        self._move(Happening.STOPPED)
        await self._tell()

    def _move(self, happening: Happening) -> None:
        self._state = step(self._state, happening)

    async def _tell(self) -> None:
        async with self._turn:
            self._turn.notify_all()

    def _ensure_running(self, connection: Connection | None = None) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(connection), name="line")

    async def _run(self, connection: Connection | None) -> None:
        while True:
            if connection is None:
                try:
                    connection, logged_in = await self._dial()
                except WireError as error:
                    await self._pause(after_refusal(error.code), error, ended=None)
                    continue
                self._begin(connection, logged_in)
                await self._tell()
            await self._watch(connection)
            connection = None

    async def _dial(self) -> tuple[Connection, LoggedIn]:
        self._asked.clear()
        connection = await self._doings.dial()
        try:
            return connection, await self._doings.enter(connection)
        except BaseException:
            connection.fail(WireError(Code.NOT_CONNECTED, "The session was not made."))
            raise

    def _begin(self, connection: Connection, logged_in: LoggedIn) -> None:
        self._connection = connection
        self._last_error = None
        self._move(Happening.ENTERED)
        self._doings.on_ready(connection, logged_in)

    async def _watch(self, connection: Connection) -> None:
        """Wait for the session's end, then for the next try."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        error = await connection.wait_closed()
        self._connection = None
        if loop.time() - started_s >= STEADY_AFTER_S:
            self._tries = 0
        ended = connection.ended
        await self._pause(after_end(ended.reason if ended else None), error, ended=ended)

    async def _pause(self, happening: Happening, error: WireError, *, ended: Ended | None) -> None:
        """Wait until the next try is due, or somebody asks."""
        self._asked.clear()
        self._last_error = error
        self._move(happening)
        self._tries += 1
        due_s = None
        if self._state is State.WAITING:
            due_s = wait_s(self._tries, random=self._doings.chance)
        self._doings.on_down(error, ended, due_s)
        await self._tell()
        try:
            async with asyncio.timeout(due_s):
                await self._asked.wait()
        except TimeoutError:
            if self._state is State.WAITING:  # nobody asked at the last moment
                self._move(Happening.DUE)
