"""From Enter to the store: texts and commands in their order, and back what was not taken.

Never sends a text elsewhere than where the person was at Enter, and never loses one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from ui.gate import clean_name
from ui.lines.commands import Command, Line, Mistake, Nothing, Text, parse_line
from ui.tui.desk import Desk

LINES_AHEAD: Final = 64  # what may wait: nobody types further ahead


class Sheet(Protocol):
    """Where the person writes."""

    text: str

    def put(self, text: str) -> None:
        """Have this text."""


class Writing:
    """Two queues: commands follow one another, each where the last one has led.

    `ask_wish(name)`: whether a person's bare name means to open their chat. `moved`: something was
    carried out, or has begun; `doing` names the command that runs.
    """

    def __init__(
        self,
        desk: Desk,
        sheet: Sheet,
        *,
        ask_wish: Callable[[str], Awaitable[bool]],
        moved: Callable[[], None],
    ) -> None:
        self._desk, self._sheet = desk, sheet
        self._ask_wish, self._moved = ask_wish, moved
        self._texts: asyncio.Queue[tuple[Line, str, str]] = asyncio.Queue(LINES_AHEAD)
        self._commands: asyncio.Queue[Command] = asyncio.Queue(LINES_AHEAD)
        self.doing = ""

    def take(self, text: str) -> None:
        """Take what was typed; a mistake goes back where it can be mended."""
        line = parse_line(text)
        if isinstance(line, Nothing):
            return
        if isinstance(line, Mistake):
            self._desk.say(f"*** {line.text}")
            self._give_back(text)
            return
        if self._texts.full() or self._commands.full():
            self._desk.say("*** Too much at once: wait until what you sent is taken.")
            self._give_back(text)
            return
        self._desk.typed.add(text)
        if isinstance(line, Command):
            self._commands.put_nowait(line)
        else:
            self._texts.put_nowait((line, text, self._desk.current))

    async def do_commands(self) -> None:
        """Carry commands out, one after another, until cancelled."""
        while True:
            line = await self._commands.get()
            self.doing = f"/{line.name} ..."
            self._moved()
            try:
                await self._desk.do(line, self._desk.current)
            finally:
                self.doing = ""
            self._moved()

    async def send_texts(self) -> None:
        """Send texts, one after another, until cancelled."""
        while True:
            line, text, where = await self._texts.get()
            warning = await self._desk.warning_before(line, where)
            if warning is not None:
                self._desk.say(warning)
                self._give_back(text)
            elif isinstance(line, Text) and await self._is_other_wish(line.text):
                continue
            elif not await self._desk.do(line, where):
                self._give_back(text)
            self._moved()

    async def _is_other_wish(self, text: str) -> bool:
        name = text.strip().lower()
        if name not in self._desk.people or name == self._desk.account:
            return False
        if not await self._ask_wish(clean_name(name)):
            return False
        await self._desk.do(Command("query", (name,)), self._desk.current)
        return True

    def _give_back(self, text: str) -> None:
        if not self._sheet.text:
            self._sheet.put(text)
        else:
            self._desk.typed.add(text)
            self._desk.say("--- your text is kept: ↑ brings it back")
