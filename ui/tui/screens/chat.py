"""The chat: conversations, timeline, composer and status on one screen, and its keys.

Never decides what a line means (ui.lines.commands) and never reads the store (ui.tui.reader).
"""

from __future__ import annotations

import contextlib
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from ui.gate import clean, clean_name
from ui.lines.render import date_and_time
from ui.tui import keys
from ui.tui.desk import Desk
from ui.tui.screens import panels
from ui.tui.screens.dialogs import AskText, Confirm, Lines
from ui.tui.terminal import Terminal
from ui.tui.widgets.composer import Composer, Offers
from ui.tui.widgets.roomlist import RoomList
from ui.tui.widgets.timeline import TimelineView
from ui.tui.wishes import Part
from ui.tui.writing import Writing
from wire.errors import Code, WireError

NARROW: Final = 70  # below, the list of conversations gives its room to the timeline
DRAFT_S: Final = 1.0
FACE_COMMANDS: Final = {
    "theme": "/theme NAME  dark, light, high-contrast or terminal",
    "date": "/date DAY  go to a day: 2026-11-24, today, yesterday",
    "dnd": "/dnd  do not disturb, on or off",
}


def _bindings() -> list[BindingType]:
    made: list[BindingType] = [
        Binding(key.keys, key.action, key.help, id=key.name, show=False, priority=True)
        for key in keys.CHAT
    ]
    made += [
        Binding(f"alt+{number}", f"go_to({number - 1})", show=False, priority=True)
        for number in range(1, 10)
    ]
    return made


class ChatScreen(Screen[str]):
    """ "quit" or "logout" when the person leaves."""

    BINDINGS: ClassVar[list[BindingType]] = _bindings()
    AUTO_FOCUS = "#composer"

    def __init__(self, desk: Desk, terminal: Terminal, theme: str) -> None:
        super().__init__()
        self.desk, self._terminal, self._theme = desk, terminal, theme
        self._offers = Offers(id="offers")
        self._composer = Composer(desk.typed, self._offers, id="composer")
        self._timeline = TimelineView(id="timeline")
        self._timeline.palette = theme
        self._rooms = RoomList(id="rooms")
        self._words = {
            name: Static(id=name, markup=False) for name in ("head", "below", "alert", "status")
        }
        self._writing = Writing(desk, self._composer, ask_wish=self._ask_wish, moved=self._moved)
        self._shown = ""  # the conversation whose draft the composer has
        self._seen: str | None = None  # the last item that stood on the screen's end
        self._dragging = False

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Horizontal(id="body"):
            yield self._rooms
            with Vertical(id="main"):
                yield self._words["head"]
                yield self._timeline
                yield self._words["below"]
                yield self._words["alert"]
                yield self._offers
                yield self._composer
        yield self._words["status"]

    def on_mount(self) -> None:
        """Begin to read, and to take what is typed."""
        self.run_worker(self._live())
        self.run_worker(self._writing.send_texts())
        self.run_worker(self._writing.do_commands())
        self.set_interval(DRAFT_S, self._keep_drafts)
        self.watch(self.app, "app_focus", self._on_focus_changed, init=False)

    async def _live(self) -> None:
        try:
            await self.desk.open(self)
        except WireError as error:
            self.desk.say(f"*** {error.text}")
        await self.desk.run()

    def on_resize(self) -> None:
        """Give the timeline the list's room on a narrow terminal."""
        self.set_class(self.size.width < NARROW, "narrow")

    def _on_focus_changed(self) -> None:
        if self.app.app_focus:
            self.run_worker(self.desk.note_seen())

    # Drawing (see ui.tui.desk.Wishes).

    def changed(self, part: Part) -> None:
        """Draw parts anew."""
        if not self.is_mounted or not self.desk.account:
            return
        if self._shown != self.desk.current:
            self._change_draft()
            part = Part.ALL
        if Part.TIMELINE in part:
            self._timeline.show(self.desk.reader.window, found=self.desk.reader.found)
        self._rooms.show(self.desk.rooms.all(), self.desk.current)
        self._draw_head()
        self._draw_below()
        self._draw_status()

    def _change_draft(self) -> None:
        if self._shown:
            self.desk.drafts[self._shown] = self._composer.text
        self._shown = self.desk.current
        self._composer.put(self.desk.drafts.get(self._shown, ""))
        self._offers.offer([])

    def _draw_head(self) -> None:
        desk = self.desk
        room = desk.rooms.get(desk.current)
        parts = [clean_name(desk.current)]
        if room is not None:
            if desk.current.startswith("#"):
                parts.append(f"{room.members} can read")
            parts.append("verified" if room.is_verified else "")
            parts.append("online" if room.is_online else "")
            parts.append(f"encrypted, {room.protection}" if room.protection else "")
            parts.append("" if room.state == "active" else room.state)
        self._put("head", " · ".join(part for part in parts if part))
        name = desk.current[1:] if desk.current.startswith("@") else ""
        alert = self._words["alert"]
        alert.display = name in desk.blocked
        if alert.display:
            shown = clean_name(name)
            self._put(
                "alert",
                f"{shown} has another identity than before: nothing that you write is sent to"
                f" {shown} until you answer. F3 explains it and asks.",
            )

    def _put(self, id: str, text: str) -> None:
        self._words[id].update(Content(clean(text)))

    def _draw_below(self) -> None:
        below = self._words["below"]
        window = self.desk.reader.window
        if self._timeline.is_at_end and not window.has_newer:
            self._seen = window.items[-1].key if window.items else None
            below.display = False
            return
        fresh = 0
        for item in reversed(window.items):
            if item.key == self._seen:
                break
            fresh += bool(item.name and not item.own)
        below.display = bool(fresh) or window.has_newer
        words = f"{fresh} new messages below" if fresh and not window.has_newer else "newer below"
        self._put("below", f"▼ {words} ({keys.shown('ctrl+end')})")

    def _draw_status(self) -> None:
        desk = self.desk
        waiting = len(desk.reader.window.waiting)
        parts = [
            ("● " if desk.is_connected else "○ ") + desk.link,
            self._writing.doing,
            f"{waiting} waiting here" if waiting and not desk.is_connected else "",
            f"you are {clean_name(desk.display)}" + (" (admin)" if desk.is_admin else ""),
            "do not disturb" if self._terminal.is_quiet else "",
            "F1 help",
        ]
        self._put("status", " · ".join(part for part in parts if part))
        self._terminal.show_unread(desk.rooms.unread)

    # What the desk asks for (see ui.tui.desk.Wishes).

    async def ask_secret(self, prompt: str) -> str:
        """Ask for a password."""
        answer = await self.app.push_screen_wait(AskText(prompt, secret=True))
        if answer is None:
            raise WireError(Code.BAD_REQUEST, "Nothing was done.")
        return answer

    async def leave_chat(self, how: str) -> None:
        """End the chat."""
        await self._keep_drafts()
        self.dismiss(how)

    def show_lines(self, title: str, lines: list[str]) -> None:
        """Show a long answer."""
        self.app.push_screen(Lines(f"/{title}", lines))

    def open_panel(self, name: str, about: str) -> None:
        """Open a panel over the chat."""
        self.run_worker(panels.OPEN[name](self, about), group="panel", exclusive=True)

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """Ring, as the settings say."""
        self._terminal.attention(who, text, is_mention=is_mention)

    def is_watching(self) -> bool:
        """Tell whether the person sees the end of the current conversation."""
        is_here = self.app.app_focus and self.app.screen is self
        return bool(is_here and self._timeline.is_at_end and not self.desk.reader.window.has_newer)

    # Writing.

    @on(Composer.Sent)
    def _sent(self, event: Composer.Sent) -> None:
        text = event.text.rstrip("\n")
        name, _, rest = text.removeprefix("/").partition(" ")
        if text.startswith("/") and name in FACE_COMMANDS:
            self.desk.typed.add(text)
            self.run_worker(self._face_command(name, rest.strip()))
            return
        self._writing.take(text)

    async def _ask_wish(self, name: str) -> bool:
        """Ask whether somebody's bare name, typed alone, means to open their chat."""
        ask = Confirm(
            f'Only "{name}" is written. Open the private chat with {name}, or send the word?',
            yes="Send the word",
            no="Open the private chat",
        )
        return not await self.app.push_screen_wait(ask)

    def _moved(self) -> None:
        """A text or a command was carried out, or another has begun."""
        self._draw_status()
        self._timeline.to_end()

    @on(Composer.Changed)
    def _typed(self) -> None:
        before = self._composer.before_cursor
        word = before.split("\n")[-1].split(" ")[-1]
        if word[:1] in ("@", "#", ":") or (before.startswith("/") and " " not in before):
            self._offers.offer(self.desk.complete(before, FACE_COMMANDS))
        else:
            self._offers.offer([])

    @on(Composer.Asked)
    def _asked(self, event: Composer.Asked) -> None:
        self._offers.offer(self.desk.complete(event.before, FACE_COMMANDS))

    @on(Composer.Pasted)
    def _pasted(self, event: Composer.Pasted) -> None:
        if event.count < 0:
            self.desk.say("*** Not pasted: a message holds at most 64 KiB.")
        else:
            self.desk.say(f"--- {event.count} control characters of the paste were left out")

    @on(Composer.Ended)
    async def action_leave(self) -> None:
        """Close Sotto."""
        await self.leave_chat("quit")

    async def _keep_drafts(self) -> None:
        if not self._shown:
            return
        drafts = self.desk.drafts | {self._shown: self._composer.text}
        drafts = {name: text for name, text in drafts.items() if text.strip()}
        if drafts != self.desk.drafts:
            self.desk.drafts = drafts
            self.desk.wake(Part.ROOMS)
            with contextlib.suppress(WireError):
                await self.desk.session.keep_drafts(drafts)

    async def _face_command(self, name: str, rest: str) -> None:
        if name == "theme":
            self.action_next_theme(rest)
        elif name == "date":
            await self._go_to_date(rest)
        else:
            self.action_quiet()

    # Moving.

    @on(RoomList.Chosen)
    async def _chosen(self, event: RoomList.Chosen) -> None:
        await self.go(event.name)

    async def go(self, title: str) -> None:
        """Show another conversation."""
        if title != self.desk.current:
            with contextlib.suppress(WireError):
                await self.desk.switch(title)

    async def action_next_room(self, step: int) -> None:
        """Go up or down in the list."""
        await self.go(self.desk.neighbour(step))

    async def action_go_to(self, number: int) -> None:
        """Go to a conversation by its place in the list."""
        rooms = self.desk.rooms.all()
        if number < len(rooms):
            await self.go(rooms[number].name)

    async def action_activity(self) -> None:
        """Go to the next conversation with something new."""
        found = self.desk.rooms.next_active(self.desk.current)
        if found is not None:
            await self.go(found)

    def action_page(self, step: int) -> None:
        """Go back or forward a screen."""
        self._timeline.page(step)
        if step < 0:
            self._near_top()

    async def action_newest(self) -> None:
        """Go down to the newest message."""
        if self.desk.reader.window.has_newer:
            await self.desk.reader.open(self.desk.current)
        self._timeline.show(self.desk.reader.window, found=None)
        self._timeline.to_end()
        await self._near_end()

    async def action_first_unread(self) -> None:
        """Go to where reading stopped."""
        if self._timeline.go_to_unread():
            return
        room = self.desk.rooms.get(self.desk.current)
        line = None
        if room is not None and room.unread:
            line = await self.desk.session.first_line_from(room.name, seq=room.read_seq + 1)
        if line is None:
            self.desk.say("--- nothing is unread here")
            return
        await self.jump(self.desk.current, line["row"])

    async def jump(self, title: str, row: int) -> None:
        """Show a conversation around a stored line."""
        if title != self.desk.current:
            await self.desk.switch(title)
        await self.desk.reader.jump(title, row)
        self.changed(Part.ALL)

    def action_ask_date(self) -> None:
        """Ask for a day, and go there."""
        self.run_worker(self._ask_date(), group="panel", exclusive=True)

    async def _ask_date(self) -> None:
        prompt = "Which day (2026-11-24, today, yesterday)?"
        day = await self.app.push_screen_wait(AskText(prompt))
        if day:
            await self._go_to_date(day)

    async def _go_to_date(self, day: str) -> None:
        at_ms = panels.midnight_ms(day)
        if at_ms is None:
            self.desk.say("*** A day is written like this: 2026-11-24, today or yesterday.")
            return
        line = await self.desk.session.first_line_from(self.desk.current, at_ms=at_ms)
        if line is None:
            self.desk.say(f"--- nothing is stored here from {date_and_time(at_ms)[:10]} on")
            return
        await self.jump(self.desk.current, line["row"])

    @on(TimelineView.NearTop)
    def _near_top(self) -> None:
        self.run_worker(self._read_older(), group="older", exclusive=False)

    async def _read_older(self) -> None:
        if self._dragging:
            return
        self._dragging = True
        try:
            if await self.desk.reader.read_older():
                self.changed(Part.TIMELINE)
        finally:
            self._dragging = False

    @on(TimelineView.NearEnd)
    async def _near_end(self) -> None:
        if await self.desk.reader.read_on():
            self.changed(Part.TIMELINE)
        self._draw_below()
        await self.desk.note_seen()

    # Panels and switches.

    def action_help(self) -> None:
        """Show the keys and commands."""
        self.open_panel("help", "")

    def action_readers(self) -> None:
        """Show who can read this conversation."""
        self.open_panel("readers", self.desk.current)

    def action_verify(self) -> None:
        """Compare the safety number with this person."""
        about = self.desk.current[1:] if self.desk.current.startswith("@") else ""
        self.open_panel("verify", about)

    def action_search(self) -> None:
        """Search in everything stored here."""
        self.open_panel("search", "")

    def action_switcher(self) -> None:
        """Go to a conversation or a person by name."""
        self.open_panel("switcher", "")

    def action_browse(self) -> None:
        """Show the rooms of this relay."""
        self.open_panel("rooms", "")

    def action_people(self) -> None:
        """Show the people of this relay."""
        self.open_panel("people", "")

    def action_sidebar(self) -> None:
        """Show or hide the list of conversations."""
        self.toggle_class("listing" if self.has_class("narrow") else "unlisted")

    def action_quiet(self) -> None:
        """Do not disturb, on or off."""
        self._terminal.is_quiet = not self._terminal.is_quiet
        self._draw_status()

    def action_redraw(self) -> None:
        """Draw the screen anew."""
        self.app.refresh(layout=True)

    def action_next_theme(self, name: str = "") -> None:
        """Take another theme."""
        self._theme = self._terminal.take_theme(name) or self._theme
        self._timeline.repaint(self._theme)
