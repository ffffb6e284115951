"""What stands on the screen and what a person can do with it: the face as a model on a session.

Never knows Textual: screens draw what is here and call it. Timelines are read from the store alone;
an event only says that there is something new to read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import Flag, auto
from typing import Any, Final, Protocol

from engine import events
from engine.events import Event
from engine.session import Session
from ui.gate import clean_name
from ui.lines.actions import ACTIONS
from ui.lines.actions.call import Call, conversation_of
from ui.lines.actions.talking import send
from ui.lines.commands import Command, Line, Mistake, Nothing, Private, Text, ToRoom, parse_line
from ui.lines.render import LOBBY, render
from ui.tui.model.completion import Candidate, candidates, with_emoji
from ui.tui.model.items import mentions, said
from ui.tui.model.rooms import Rooms
from ui.tui.model.typed import Typed
from ui.tui.reader import Reader
from wire.errors import Code, WireError

MANY_LINES: Final = 10  # a longer answer of a command gets a window of its own
PUMP_S: Final = 0.1  # how long further news is gathered: drawing takes time from the keys
ROOMS_EVERY: Final = 3  # pumps between two readings of the list while news keeps coming


class Part(Flag):
    """What has changed and must be drawn anew."""

    ROOMS = auto()
    TIMELINE = auto()
    STATUS = auto()
    ALL = ROOMS | TIMELINE | STATUS


class Wishes(Protocol):
    """What the desk asks of the screen."""

    async def ask_secret(self, prompt: str) -> str:
        """Ask for a password."""

    async def leave_chat(self, how: str) -> None:
        """End the chat: "quit" or "logout"."""

    def changed(self, part: Part) -> None:
        """Draw parts anew."""

    def show_lines(self, title: str, lines: list[str]) -> None:
        """Show a long answer."""

    def open_panel(self, name: str, about: str) -> None:
        """Open "readers", "verify", "search" or "help"."""

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """Tell the person of a message that is not before their eyes."""

    def is_watching(self) -> bool:
        """Tell whether the person sees the end of the current conversation."""


class Nobody:
    """Wishes before a screen is there: nothing is seen, and nobody answers."""

    async def ask_secret(self, prompt: str) -> str:
        """See Wishes."""
        raise WireError(Code.BAD_REQUEST, "Nobody is there to be asked.")

    async def leave_chat(self, how: str) -> None:
        """See Wishes."""

    def changed(self, part: Part) -> None:
        """See Wishes."""

    def show_lines(self, title: str, lines: list[str]) -> None:
        """See Wishes."""

    def open_panel(self, name: str, about: str) -> None:
        """See Wishes."""

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """See Wishes."""

    def is_watching(self) -> bool:
        """See Wishes."""
        return False


class Desk:
    """One account's conversations before a person; `open` first, then `run` beside."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._wishes: Wishes = Nobody()
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
        self._new_devices: dict[str, list[str]] = {}  # of people who were verified, not yet warned
        self._read: dict[str, int] = {}  # what was marked read, by conversation
        self._current = LOBBY
        self._news = asyncio.Event()
        self._dirty = Part(0)
        self._switching: asyncio.Task[None] | None = None

    # Beginning and going on.

    async def open(self, wishes: Wishes) -> None:
        """Read who the person is and the conversations; the current one is the lobby."""
        self._wishes = wishes
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
            self._wishes.changed(dirty)
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
        if not self._wishes.is_watching() or seq <= known:
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
        self._wishes.changed(Part.ALL)
        self.wake(Part.ROOMS)
        await self._note_read()
        if title.startswith("@"):
            await self._note_blocked(title[1:])
            self._wishes.changed(Part.STATUS)

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
        self._wishes.changed(Part.ALL)

    def neighbour(self, step: int) -> str:
        """Return the conversation that stands `step` further in the list."""
        names = [room.name for room in self.rooms.all()] or [LOBBY]
        at = names.index(self._current) if self._current in names else 0
        return names[(at + step) % len(names)]

    # What is typed.

    def parse(self, text: str) -> Line:
        """Return what a typed text means."""
        return parse_line(text)

    def complete(self, before: str, more: dict[str, str]) -> list[Candidate]:
        """Return what the word before the cursor may mean."""
        rooms = [room.name for room in self.rooms.all() if room.name.startswith("#")]
        return candidates(before, people=self.people, rooms=rooms, more=more)

    async def warning_before(self, line: Line, where: str) -> str | None:
        """Return what the person must know before this is sent, once."""
        if not isinstance(line, Text | Private) or not self._new_devices:
            return None
        title = where if isinstance(line, Text) else f"@{line.name}"
        try:
            names = {row["name"] for row in await self.session.members(title)}
        except WireError:
            return None
        told = {name: self._new_devices.pop(name) for name in names & self._new_devices.keys()}
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
            self._wishes.show_lines(getattr(line, "name", ""), shown)
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
        self._wishes.changed(Part.TIMELINE)
        return []

    async def _search(self, call: Call) -> list[str]:
        self._wishes.open_panel("search", call.arg(0))
        return []

    async def _members(self, call: Call) -> list[str]:
        self._wishes.open_panel("readers", call.where(0))
        return []

    async def _verify(self, call: Call) -> list[str]:
        self._wishes.open_panel("verify", call.name())
        return []

    async def _accept(self, call: Call) -> list[str]:
        await self._note_blocked(call.name())
        self._wishes.open_panel("verify", call.name())
        return []

    async def _help(self, call: Call) -> list[str]:
        self._wishes.open_panel("help", call.arg(0))
        return []

    # What actions ask of the place they run in (ui.lines.actions.call.Place).

    async def ask_secret(self, prompt: str) -> str:
        """See Place."""
        return await self._wishes.ask_secret(prompt)

    async def leave_chat(self, how: str) -> None:
        """See Place."""
        await self._wishes.leave_chat(how)

    def clear(self) -> None:
        """See Place: the timeline begins empty; scrolling back shows everything again."""
        self.reader.clear()
        self._wishes.changed(Part.TIMELINE)

    def say(self, text: str) -> None:
        """Show a line of ours below the newest."""
        if self.reader.window.has_newer:
            self._switching = asyncio.ensure_future(self._say_at_the_end(text))
            return
        self.reader.say(said(text, at_ms=self.session.now_ms()))
        self._wishes.changed(Part.TIMELINE)

    async def _say_at_the_end(self, text: str) -> None:
        with contextlib.suppress(WireError):
            await self.reader.open(self._current)
        self.reader.say(said(text, at_ms=self.session.now_ms()))
        self._wishes.changed(Part.TIMELINE)

    # What happens.

    def hear(self, event: Event) -> None:
        """Take an event; never blocks."""
        handler = _HEARD.get(type(event))
        if handler is not None:
            handler(self, event)

    def _heard_message(self, event: events.Message) -> None:
        self.people.add(event.sender)
        self.wake(Part.ROOMS)
        if event.conversation == self._current:
            self.wake(Part.TIMELINE)
        is_seen = event.conversation == self._current and self._wishes.is_watching()
        if event.own or is_seen:
            return
        is_mention = event.direct or mentions(event.text, self.account)
        if is_mention:
            self.rooms.add_mention(event.conversation)
        who = clean_name(event.display or event.sender)
        if not event.direct:
            who += f" in {clean_name(event.conversation)}"
        self._wishes.attention(who, event.text, is_mention=is_mention)

    def _heard_outgoing(self, event: events.Outgoing) -> None:
        self.wake(Part.TIMELINE | Part.ROOMS)

    def _heard_line(self, event: events.Membership | events.Unreadable) -> None:
        """What stands in the store as well: it is read from there."""
        self.wake(Part.ROOMS)
        if event.conversation == self._current:
            self.wake(Part.TIMELINE)

    def _heard_device(self, event: events.DeviceAdded) -> None:
        self.wake(Part.TIMELINE | Part.ROOMS)
        if not event.own:
            task = asyncio.ensure_future(self._note_device(event))
            task.add_done_callback(lambda done: done.exception())

    async def _note_device(self, event: events.DeviceAdded) -> None:
        """Remember a verified person's new device, for a warning before the next message."""
        for room in self.rooms.all():
            with contextlib.suppress(WireError):
                rows = await self.session.members(room.name)
                if any(row["name"] == event.name and row["verified"] for row in rows):
                    known = self._new_devices.setdefault(event.name, [])
                    known += [event.device] if event.device not in known else []
                    return

    def _heard_presence(self, event: events.Presence) -> None:
        self.people.add(event.name)
        self.rooms.set_online(event.name, event.online)
        self.wake(Part.ROOMS)
        if self.account and self._current == LOBBY:
            self._show(event)

    def _heard_identity(self, event: events.IdentityChanged) -> None:
        self.blocked[event.name] = event
        self._show(event)
        self.wake(Part.ALL)

    def _heard_link(self, event: events.Connected | events.Disconnected) -> None:
        self.is_connected = isinstance(event, events.Connected)
        known = self.link
        if isinstance(event, events.Connected):
            self.link = f"connected to {event.server}"
        elif event.retry_in_s is None:
            self.link = "not connected: /reconnect tries again"
        else:
            self.link = "not connected, trying again"
        if self.link != known and not self.is_connected:
            self._show(event)  # the reason, once
        self.wake(Part.STATUS | Part.ROOMS)

    def _show(self, event: Event) -> None:
        if not self.account:
            return  # nobody is before the screen yet
        text = render(event, current=self._current, account=self.account)
        if text is not None:
            self.say(text)


_HEARD: Final[dict[type, Callable[[Desk, Any], None]]] = {
    events.Message: Desk._heard_message,
    events.Outgoing: Desk._heard_outgoing,
    events.Membership: Desk._heard_line,
    events.Unreadable: Desk._heard_line,
    events.DeviceAdded: Desk._heard_device,
    events.Presence: Desk._heard_presence,
    events.IdentityChanged: Desk._heard_identity,
    events.Connected: Desk._heard_link,
    events.Disconnected: Desk._heard_link,
    events.Kicked: Desk._show,
    events.Banned: Desk._show,
    events.Muted: Desk._show,
    events.Notice: Desk._show,
    events.JoinResult: Desk._show,
}
