"""What stands on the screen and what a person can do with it: the face as a model on a session.

Never knows Textual: screens draw what is here and call it. Timelines are read from the store alone;
an event only says that there is something new to read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from engine import events
from engine.events import Event
from engine.session import Session
from ui.gate import clean_name
from ui.lines.actions import ACTIONS
from ui.lines.actions.call import Call, conversation_of
from ui.lines.actions.talking import send
from ui.lines.commands import Command, Line, Mistake, Nothing, Private, Text, ToRoom
from ui.lines.render import LOBBY, render
from ui.tui.hearing import heard
from ui.tui.model.completion import Candidate, candidates, with_emoji
from ui.tui.model.items import said
from ui.tui.model.rooms import Rooms
from ui.tui.model.typed import Typed
from ui.tui.reader import Reader
from ui.tui.wishes import Nobody, Part, Wishes
from wire.errors import Code, WireError

MANY_LINES: Final = 10  # a longer answer of a command gets a window of its own
PUMP_S: Final = 0.1  # how long further news is gathered: drawing takes time from the keys
ROOMS_EVERY: Final = 3  # pumps between two readings of the list while news keeps coming


class Desk:
    """One account's conversations before a person; `open` first, then `run` beside."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.wishes: Wishes = Nobody()
        self.account = self.display = ""
        self.is_admin = False
        self.link = "connecting ..."
        self.is_connected = False
        self.rooms = Rooms()
        self.people: set[str] = set()
        self.drafts: dict[str, str] = {}
        self.typed = Typed()
        self.reader = Reader(session)
        self.blocked: dict[str, events.IdentityChanged] = {}
        self.new_devices: dict[str, list[str]] = {}  # of people who were verified, not yet warned
        self._read: dict[str, int] = {}  # what was marked read, by conversation
        self._current = LOBBY
        self._news = asyncio.Event()
        self._dirty = Part(0)
        self._switching: asyncio.Task[None] | None = None

    # Beginning and going on.

    async def open(self, wishes: Wishes) -> None:
        """Read who the person is and the conversations; the current one is the lobby."""
        self.wishes = wishes
        row = await self.session.whoami()
        self.account, self.display = row["account"], row["display"]
        self.is_admin = row["is_admin"]
        self.is_connected = self.session.is_connected
        if self.is_connected:
            self.link = f"connected to {(await self.session.status())['server']}"
        self.reader.account = self.account
        self.drafts = await self.session.drafts()
        await self._read_rooms()
        await self.switch(LOBBY)
        for line in await self.session.greetings():
            self.say(f"    {line}")

    async def run(self) -> None:
        """Draw what is new, a few times a second at most, until cancelled."""
        rounds = 0
        while True:
            await self._news.wait()
            self._news.clear()
            dirty, self._dirty = self._dirty, Part(0)
            with contextlib.suppress(WireError):
                if Part.TIMELINE in dirty:
                    await self.reader.read_newer()
                    await self._note_read()
                rounds += 1
                if Part.ROOMS in dirty and (rounds % ROOMS_EVERY == 0 or not self._news.is_set()):
                    await self._read_rooms()
                elif Part.ROOMS in dirty:
                    self._dirty |= Part.ROOMS
            self.wishes.changed(dirty)
            await asyncio.sleep(PUMP_S)

    def wake(self, part: Part) -> None:
        """Have parts read and drawn anew, soon."""
        self._dirty |= part
        self._news.set()

    async def _read_rooms(self) -> None:
        rows = await self.session.conversations()
        others = {name: text for name, text in self.drafts.items() if name != self._current}
        self.rooms.read(rows, drafts=others)
        for room in self.rooms.all():
            if room.name.startswith("@"):
                self.people.add(room.name[1:])
                self.rooms.set_verified(room.name, await self._is_verified(room.name))

    async def _is_verified(self, title: str) -> bool:
        try:
            rows = await self.session.members(title)
        except WireError:
            return False
        others = [row for row in rows if row["name"] == title[1:]]
        return bool(others) and all(row["verified"] for row in others)

    async def note_seen(self) -> None:
        """The person has come to the end of the timeline: what stands there is read."""
        with contextlib.suppress(WireError):
            await self._note_read()

    async def _note_read(self) -> None:
        room = self.rooms.get(self._current)
        seq = self.reader.window.last_seq
        known = max(self._read.get(self._current, 0), room.read_seq if room else seq)
        if not self.wishes.is_watching() or seq <= known:
            return
        self._read[self._current] = seq
        await self.session.mark_read(self._current, seq)
        self.wake(Part.ROOMS)

    # The current conversation.

    @property
    def current(self) -> str:
        """The conversation that is shown: "#room" or "@name"."""
        return self._current

    @current.setter
    def current(self, title: str) -> None:
        """Go to another one, soon: commands set this (ui.lines.actions.call.Place)."""
        self._switching = asyncio.ensure_future(self.switch(title))

    async def settle(self) -> None:
        """Wait until a command's change of the conversation is on the screen."""
        if self._switching is not None:
            with contextlib.suppress(WireError):
                await self._switching

    async def switch(self, title: str) -> None:
        """Show another conversation, from its newest messages on."""
        self._current = title
        room = self.rooms.get(title)
        await self.reader.open(title, read_seq=room.read_seq if room and room.unread else None)
        self.rooms.clear_mentions(title)
        self.wishes.changed(Part.ALL)
        self.wake(Part.ROOMS)
        await self._note_read()
        if title.startswith("@"):
            await self._note_blocked(title[1:])
            self.wishes.changed(Part.STATUS)

    async def _note_blocked(self, name: str) -> None:
        try:
            change = await self.session.changed_identity(name)
        except WireError:
            self.blocked.pop(name, None)
            return
        self.blocked[name] = events.IdentityChanged(**change)

    async def accept_identity(self, name: str, fingerprint: str) -> None:
        """Take somebody's new identity, after the person has said so."""
        await self.session.accept_identity(name=name, fingerprint=fingerprint)
        self.blocked.pop(name, None)
        self.say(f"--- the new identity of {clean_name(name)} is accepted; F3 compares it")
        self.wishes.changed(Part.ALL)

    def neighbour(self, step: int) -> str:
        """Return the conversation that stands `step` further in the list."""
        names = [room.name for room in self.rooms.all()] or [LOBBY]
        at = names.index(self._current) if self._current in names else 0
        return names[(at + step) % len(names)]

    # What is typed.

    def complete(self, before: str, more: dict[str, str]) -> list[Candidate]:
        """Return what the word before the cursor may mean."""
        rooms = [room.name for room in self.rooms.all() if room.name.startswith("#")]
        return candidates(before, people=self.people, rooms=rooms, more=more)

    async def warning_before(self, line: Line, where: str) -> str | None:
        """Return what the person must know before this is sent, once."""
        if not isinstance(line, Text | Private) or not self.new_devices:
            return None
        title = where if isinstance(line, Text) else f"@{line.name}"
        try:
            names = {row["name"] for row in await self.session.members(title)}
        except WireError:
            return None
        told = {name: self.new_devices.pop(name) for name in names & self.new_devices.keys()}
        if not told:
            return None
        who = ", ".join(
            f"{clean_name(name)} ({', '.join(device[:8] for device in devices)})"
            for name, devices in told.items()
        )
        return (
            f"*** Not sent yet. Somebody whom you verified has a new device: {who}. It is certified"
            " by their identity. Ask them whether it is theirs; F2 shows it. Enter sends."
        )

    async def do(self, line: Line, where: str) -> bool:
        """Carry out what was typed in `where`; False when it was a text that was not taken."""
        try:
            shown = await self._lines_of(line, where)
        except WireError as error:
            self.say(f"*** {error.text}")
            return not isinstance(line, Text | Private | ToRoom)
        await self.settle()  # the answer stands where the command has led
        if len(shown) > MANY_LINES:
            self.wishes.show_lines(getattr(line, "name", ""), shown)
        else:
            for each in shown:
                self.say(each)
        self.wake(Part.ALL)
        return True

    async def _lines_of(self, line: Line, where: str) -> list[str]:
        match line:
            case Command():
                override = self._overrides().get(line.name)
                if override is not None:
                    return await override(Call(self.session, self, line.args))
                return await ACTIONS[line.name](Call(self.session, self, line.args))
            case Private():
                return await self._send_to(f"@{line.name}", line.text)
            case ToRoom():
                return await self._send_to(conversation_of(line.room), line.text)
            case Text():
                if line.text.strip().startswith("@") and " " not in line.text.strip():
                    return await self._query_person(line.text.strip()[1:])
                return await self._send_to(where, line.text)
            case Mistake():
                return [f"*** {line.text}"]
            case Nothing():
                return []

    async def _send_to(self, title: str, text: str) -> list[str]:
        await send(self.session, self._current, title, with_emoji(text))
        if self.reader.window.has_newer:
            await self.reader.open(self._current)
        if title != self._current:
            return [f"--- sent to {clean_name(title)}"]
        self.wake(Part.TIMELINE)
        return []

    # Commands that do more here than answer with lines.

    def _overrides(self) -> dict[str, Callable[[Call], Awaitable[list[str]]]]:
        return {
            "query": self._query,
            "switch": self._go,
            "history": self._history,
            "search": self._search,
            "members": self._members,
            "safety": self._verify,
            "verify": self._verify,
            "accept": self._accept,
            "help": self._help,
        }

    async def _query(self, call: Call) -> list[str]:
        return await self._query_person(call.name())

    async def _query_person(self, name: str) -> list[str]:
        found = await self.session.find_person(name=name)
        await self.switch(f"@{found['name']}")
        return []

    async def _go(self, call: Call) -> list[str]:
        title = conversation_of(call.arg(0))
        if title.startswith("@"):
            return await self._query_person(title[1:])
        if self.rooms.get(title) is None:
            text = f"You are not in {clean_name(title)}: /join it, or F5 shows the rooms."
            raise WireError(Code.NO_SUCH_ROOM, text)
        await self.switch(title)
        return []

    async def _history(self, call: Call) -> list[str]:
        if call.args and not call.arg(0).isdecimal():
            return await self._go(call)
        await self.reader.read_older()
        self.wishes.changed(Part.TIMELINE)
        return []

    async def _search(self, call: Call) -> list[str]:
        self.wishes.open_panel("search", call.arg(0))
        return []

    async def _members(self, call: Call) -> list[str]:
        self.wishes.open_panel("readers", call.where(0))
        return []

    async def _verify(self, call: Call) -> list[str]:
        self.wishes.open_panel("verify", call.name())
        return []

    async def _accept(self, call: Call) -> list[str]:
        await self._note_blocked(call.name())
        self.wishes.open_panel("verify", call.name())
        return []

    async def _help(self, call: Call) -> list[str]:
        self.wishes.open_panel("help", call.arg(0))
        return []

    # What actions ask of the place they run in (ui.lines.actions.call.Place).

    async def ask_secret(self, prompt: str) -> str:
        """See Place."""
        return await self.wishes.ask_secret(prompt)

    async def leave_chat(self, how: str) -> None:
        """See Place."""
        await self.wishes.leave_chat(how)

    def clear(self) -> None:
        """See Place: the timeline begins empty; scrolling back shows everything again."""
        self.reader.clear()
        self.wishes.changed(Part.TIMELINE)

    def say(self, text: str) -> None:
        """Show a line of ours below the newest."""
        if self.reader.window.has_newer:
            self._switching = asyncio.ensure_future(self._say_at_the_end(text))
            return
        self.reader.say(said(text, at_ms=self.session.now_ms()))
        self.wishes.changed(Part.TIMELINE)

    async def _say_at_the_end(self, text: str) -> None:
        with contextlib.suppress(WireError):
            await self.reader.open(self._current)
        self.reader.say(said(text, at_ms=self.session.now_ms()))
        self.wishes.changed(Part.TIMELINE)

    # What happens.

    def hear(self, event: Event) -> None:
        """Take an event; never blocks."""
        heard(self, event)

    def show_event(self, event: Event) -> None:
        """Show the line of an event, if a person need see it."""
        if not self.account:
            return  # nobody is before the screen yet
        text = render(event, current=self._current, account=self.account)
        if text is not None:
            self.say(text)
