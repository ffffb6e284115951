"""A line comes back by itself after what passes, and only when asked after what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.dial import open_connection
from engine.line import Doings, Line
from engine.link import Connection
from engine.reconnect import State
from tests.engine.lying_relay import Lies, lying_relay
from wire import pushes, replies, requests
from wire.errors import Code, WireError
from wire.pushes import Ended, EndReason

LOGGED_IN = replies.LoggedIn(0, "bob", "Bob", bytes(16), False, (), 1)


class Scene:
    """A line to a relay that says what `says` has for each Resume, then ends the session."""

    def __init__(self, says: list[list[Any]]) -> None:
        self.says = says
        self.lies = Lies(answer=self._answer)
        self.ready = asyncio.Event()
        self.down: asyncio.Queue[tuple[Code, Ended | None, float | None]] = asyncio.Queue()
        self.entered = 0

    def _answer(self, request: requests.Request) -> list[Any]:
        if not self.says:
            return [_with_rid(LOGGED_IN, request)]
        return [_with_rid(one, request) for one in self.says.pop(0)]

    @asynccontextmanager
    async def line(self, folder: Path) -> AsyncIterator[Line]:
        """The line, not asked yet."""
        async with lying_relay(self.lies, folder) as address:

            async def dial() -> Connection:
                return await open_connection(
                    address, pin=self.lies.fingerprint, on_push=lambda push: None
                )

            async def enter(connection: Connection) -> replies.LoggedIn:
                answer = await connection.request(requests.Resume(0, "bob", bytes(16), bytes(64)))
                assert isinstance(answer, replies.LoggedIn)
                return answer

            line = Line(Doings(dial, enter, self._on_ready, self._on_down, chance=lambda: 0.0))
            try:
                yield line
            finally:
                await line.stop()

    def _on_ready(self, connection: Connection, logged_in: replies.LoggedIn) -> None:
        self.entered += 1
        self.ready.set()

    def _on_down(self, error: WireError, ended: Ended | None, retry_in_s: float | None) -> None:
        self.ready.clear()
        self.down.put_nowait((error.code, ended, retry_in_s))


def _with_rid(frame: Any, request: Any) -> Any:
    if isinstance(frame, bytes) or not hasattr(frame, "rid"):
        return frame
    return type(frame)(**{**_fields(frame), "rid": request.rid})


def _fields(frame: Any) -> dict[str, Any]:
    return {name: getattr(frame, name) for name in frame.__struct_fields__}


def play(work: Any) -> None:
    """Run a scene with a limit that only a hang reaches."""
    asyncio.run(asyncio.wait_for(work, 60))


CUT = b"\xc1"  # no msgpack: the client ends the connection


def test_a_session_that_breaks_off_comes_back_by_itself(tmp_path: Path) -> None:
    async def work() -> None:
        scene = Scene([[LOGGED_IN, CUT], [CUT]])
        async with scene.line(tmp_path) as line:
            await line.ask()
            for _ in range(2):
                _, ended, retry_in_s = await scene.down.get()
                assert (ended, retry_in_s is not None) == (None, True)
            await scene.ready.wait()
            assert (line.state, scene.entered) == (State.READY, 2)

    play(work())


@pytest.mark.parametrize("reason", [EndReason.KICKED, EndReason.BANNED, EndReason.REPLACED])
def test_whoever_is_put_out_waits_to_be_asked(reason: EndReason, tmp_path: Path) -> None:
    async def work() -> None:
        ended = pushes.Ended(reason, "admin", "go")
        scene = Scene([[LOGGED_IN, ended, CUT]])
        async with scene.line(tmp_path) as line:
            await line.ask()
            _, said, retry_in_s = await scene.down.get()
            assert (said, retry_in_s, line.state) == (ended, None, State.HELD)
            with pytest.raises(WireError) as caught:
                await line.request(requests.ListDevices(0))
            assert caught.value.code is Code.NOT_CONNECTED
            await line.ask()
            assert line.is_connected

    play(work())


def test_a_refused_log_in_is_told_and_not_repeated(tmp_path: Path) -> None:
    async def work() -> None:
        failed = replies.Failed(0, "banned", "You are banned.", {"until_ms": -1})
        scene = Scene([[failed]])
        async with scene.line(tmp_path) as line:
            with pytest.raises(WireError) as caught:
                await line.ask()
            assert caught.value.code is Code.BANNED
            assert line.state is State.HELD
            assert (await scene.down.get())[2] is None

    play(work())


def test_asking_while_it_waits_tries_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        scene = Scene([[replies.Failed(0, "unavailable", "Later.")] for _ in range(1)])
        async with scene.line(tmp_path) as line:
            with pytest.raises(WireError) as caught:
                await line.ask()
            assert caught.value.code is Code.UNAVAILABLE
            assert line.state is State.WAITING
            await line.ask()
            assert line.is_connected
            await line.ask()  # nothing to do
            assert scene.entered == 1

    play(work())


def test_a_stopped_line_can_be_asked_again(tmp_path: Path) -> None:
    async def work() -> None:
        scene = Scene([])
        async with scene.line(tmp_path) as line:
            await line.ask()
            await line.stop()
            assert (line.state, line.is_connected) == (State.IDLE, False)
            await line.ask()
            assert line.is_connected

    play(work())
