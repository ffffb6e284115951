"""The plain face: the menu, then the chat, until the person or the input ends.

Never sends a command as text, and never loses a line that was typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from engine import events
from engine.events import Event
from engine.session import Session
from ui.gate import clean_line, clean_name
from ui.lines.actions import ACTIONS
from ui.lines.actions.call import Call, conversation_of
from ui.lines.actions.talking import send
from ui.lines.commands import (
    BY_NAME,
    Command,
    Line,
    Mistake,
    Nothing,
    Private,
    Text,
    ToRoom,
    parse_line,
)
from ui.lines.menu import YES, Menu
from ui.lines.render import LOBBY, render
from ui.lines.screen import Ended, Interrupted, Screen
from ui.options import Options
from wire.errors import Code, WireError

WELCOME = "Sotto: what you write is encrypted on this device; the relay cannot read it."
FLUSH_S = 10.0  # how long the end of a pipe waits for what it wrote to reach the relay


class Face:
    """The plain face on one screen."""

    def __init__(self, session: Session, screen: Screen, options: Options) -> None:
        self._session, self._screen, self._options = session, screen, options
        self._ending = ""
        self._account = ""
        self._names: set[str] = set()
        self._link_line: str | None = None
        self._doing = ""  # the command that runs
        self.current = LOBBY

    async def run(self) -> int:
        """Return the exit status once the person has closed or the input has ended."""
        self._screen.show(WELCOME)
        unsubscribe = self._session.subscribe(self._hear)
        try:
            await self._session.start()
            while await self._menu() and await self._chat() == "logout":
                pass
        except Ended:
            await self._flush()
        except Interrupted:
            pass
        finally:
            unsubscribe()
            await self._session.close()
        return 0

    async def _menu(self) -> bool:
        if not await Menu(self._session, self._screen, self._options).run():
            return False
        row = await self._session.whoami()
        self._account, self.current = row["account"], LOBBY
        self._screen.show(f"Welcome, {clean_name(row.get('display') or self._account)}.")
        for line in await self._session.greetings():
            self._screen.show(clean_line(line))
        self._screen.show("Write to everybody, or @name: text to one person. /help shows the rest.")
        return True

    async def _chat(self) -> str:
        """Return how the chat ended: "quit" or "logout"."""
        self._ending = ""
        while not self._ending:
            typed = await self._screen.ask_line(f"{clean_name(self.current)}> ")
            await self._do(parse_line(typed))
        if self._ending == "logout":
            await self._session.logout()
            self._screen.show("--- logged out; this device stays yours")
        return self._ending

    async def _do(self, line: Line) -> None:
        self._doing = ""
        try:
            for shown in await self._lines_of(line):
                self._screen.show(shown)
        except WireError as error:
            self._screen.show(f"*** {clean_line(error.text)}{self._kept(line, error)}")

    async def _lines_of(self, line: Line) -> list[str]:
        match line:
            case Nothing():
                return []
            case Mistake():
                return [f"*** {clean_line(line.text)}"]
            case Command():
                self._doing = line.name
                return await ACTIONS[line.name](Call(self._session, self, line.args))
            case Private():
                return await send(self._session, self.current, f"@{line.name}", line.text)
            case ToRoom():
                to = conversation_of(line.room)
                return await send(self._session, self.current, to, line.text)
            case Text():
                return await self._say(line.text)
        assert_never(line)

    async def _say(self, text: str) -> list[str]:
        name = text.strip().removeprefix("@")
        if name.lower() in self._names or text.strip().startswith("@"):
            question = f"Open the private chat with {clean_name(name)} (y/n)? "
            is_asked = self._screen.is_terminal and name.lower() != self._account
            if is_asked and (await self._screen.ask(question)).lower() in YES:
                return await ACTIONS["query"](Call(self._session, self, (name,)))
            if text.strip().startswith("@"):
                return ["*** Not sent. A private message is typed like this: @name: text"]
        return await send(self._session, self.current, self.current, text)

    def _kept(self, line: Line, error: WireError) -> str:
        """Say what became of a text that was not sent."""
        if isinstance(line, Text | Private | ToRoom) and error.code is not Code.TOO_LARGE:
            return f" Your text was not sent: {clean_line(line.text, cells=60)}"
        return ""

    def _hear(self, event: Event) -> None:
        if isinstance(event, events.Presence):
            self._names.add(event.name)
        if isinstance(event, events.Message):
            self._names.add(event.sender)
        if isinstance(event, events.Presence) and not self._account:
            return  # still at the menu
        if isinstance(event, events.JoinResult) and self._doing == "join":
            return  # the command's own answer says it
        line = render(event, current=self.current, account=self._account)
        if isinstance(event, events.Connected | events.Disconnected):
            is_news, self._link_line = line != self._link_line, line
            if not is_news:
                return  # the same failure again: said once
        if line is not None:
            self._screen.show(line)

    async def _flush(self) -> None:
        """The input has ended: give what was written a limited time to leave."""
        try:
            await self._session.sync(timeout_s=FLUSH_S)
        except WireError as error:
            if error.code is not Code.LOCKED:
                self._screen.show(f"*** {clean_line(error.text)} What you wrote is kept.")

    # What actions ask of the place they run in.

    async def ask_secret(self, prompt: str) -> str:
        """See ui.lines.actions.call.Place."""
        return await self._screen.ask_secret(prompt)

    async def leave_chat(self, how: str) -> None:
        """See ui.lines.actions.call.Place."""
        self._ending = how

    def clear(self) -> None:
        """See ui.lines.actions.call.Place."""
        self._screen.clear()

    def complete(self, text: str) -> Iterable[str]:
        """Return the completions of the last word of what was typed so far."""
        word = text.rsplit(" ", 1)[-1]
        if text.startswith("/") and " " not in text:
            return [f"/{name}" for name in sorted(BY_NAME) if name.startswith(word[1:])]
        bare = word.removeprefix("@").lower()
        names = [name for name in sorted(self._names) if bare and name.startswith(bare)]
        at_start = word == text and word.startswith("@")
        return [f"@{n}: " if at_start else f"@{n}" if word.startswith("@") else n for n in names]
