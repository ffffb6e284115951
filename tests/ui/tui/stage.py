"""The full-screen face without a terminal: the real program, a real relay, keys from a pilot."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from engine.profile import Profile
from engine.session import Session
from tests.engine.test_session import NoKeyring
from tests.processes import PASSWORD, WAIT_S, Relay
from ui.options import Options
from ui.settings import Settings
from ui.tui.app import SottoApp

SIZE = (80, 24)


class Stage:
    """A running face; `see` waits for words on the screen."""

    def __init__(self, app: SottoApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def session(self) -> Session:
        assert self.app.session is not None
        return self.app.session

    def text(self) -> str:
        """The screen as a person sees it."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert self.app.fault is None, self.app.fault
            assert time.monotonic() < deadline, f"not seen: {what}\n{self.text()}"
            await self.pilot.pause(0.02)

    async def see(self, *words: str) -> str:
        """Wait until all of `words` are shown."""
        for word in words:
            await self.wait(lambda word=word: word in self.text(), word)  # type: ignore[misc]
        return self.text()

    async def gone(self, word: str) -> None:
        """Wait until `word` is not shown any more."""
        await self.wait(lambda: word not in self.text(), f"the end of {word!r}")

    async def type(self, text: str) -> None:
        """Type characters as keys."""
        for character in text:
            await self.pilot.press(_KEYS.get(character, character))

    async def enter(self, text: str) -> None:
        """Type a line and press Enter."""
        await self.type(text)
        await self.pilot.press("enter")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def register(self, name: str) -> None:
        """Go through the first run: two answers, and the recovery code written down."""
        await self.see("Register")
        await self.enter(name)
        await self.enter(PASSWORD)
        await self.see("recovery code")
        await self.press("tab", "enter")
        await self.see(f"you are {name}", "connected to")


_KEYS = {" ": "space", "\n": "ctrl+j", "-": "minus"}


@contextlib.asynccontextmanager
async def stage(
    relay: Relay,
    folder: Path,
    *,
    size: tuple[int, int] = SIZE,
    options: Options | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """Run the face with the profile `folder`, which may exist."""

    def make_session() -> Session:
        keyring: Any = NoKeyring()
        return Session(Profile(folder, keyring=keyring), server=relay.server)

    options = options or Options(server=relay.server, trust="tofu")
    app = SottoApp(make_session, options, Settings(**settings))
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Stage(app, pilot)
        with contextlib.suppress(Exception):
            if app.session is not None:
                await app.session.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run a scene with a limit that only a hang reaches."""

    async def limited() -> None:
        async with asyncio.timeout(120):
            await work()

    asyncio.run(limited())
