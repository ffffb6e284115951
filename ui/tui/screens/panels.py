"""The panels over the chat: help, who can read, verify, search, switcher, rooms, people.

Never draws: each asks the session, shows a list or a window, and does what was chosen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from ui.gate import clean_line, clean_name
from ui.lines.commands import Command, help_lines
from ui.lines.render import date_and_time, until
from ui.tui import keys
from ui.tui.screens.dialogs import AskText, Confirm, Lines
from ui.tui.screens.picker import Choice, Picker
from ui.tui.screens.verify import IdentityPanel, VerifyPanel
from ui.tui.wishes import Part
from wire.errors import WireError

if TYPE_CHECKING:
    from ui.tui.screens.chat import ChatScreen

SEARCHED: Final = 200
LISTED: Final = 50


def midnight_ms(day: str) -> int | None:
    """Return when a day begins here, in ms since 1970; None for what is no day."""
    today = datetime.now(UTC).astimezone().date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    try:
        found = named.get(day.strip().lower()) or date.fromisoformat(day.strip())
        return int(datetime.combine(found, time()).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


async def show_help(chat: ChatScreen, about: str) -> None:
    """Show the keys and the commands, or one command."""
    if about:
        await chat.app.push_screen_wait(Lines("Help", help_lines(about)))
        return
    lines = ["Keys (the name in brackets is for [keys] in the settings file)"]
    lines += [f"  {keys.shown(k.keys):<20} {k.help}  [{k.name}]" for k in keys.CHAT]
    lines += ["", "Writing", *(f"  {key:<20} {what}" for key, what in keys.WRITING), ""]
    lines += help_lines("all")
    lines += [
        "",
        "Signs: ✓ stored by the relay (or, in the list, verified)   … waiting   ✗ not sent",
        "  ● online   ✎ a draft   @3 three unread, one names you   ! not active",
        "With a screen reader, start with --plain: everything is there, line by line.",
    ]
    await chat.app.push_screen_wait(Lines("Help", lines))


async def show_readers(chat: ChatScreen, where: str) -> None:
    """Show every device that can read a conversation; choosing a person compares numbers."""
    try:
        rows = await chat.desk.session.readers(where)
    except WireError as error:
        chat.desk.say(f"*** {error.text}")
        return
    people = len({row["name"] for row in rows})
    room = chat.desk.rooms.get(where)
    protection = f"Encryption: {room.protection}. " if room and room.protection else ""

    async def find(query: str) -> list[Choice]:
        return [
            Choice(row["name"], _reader(row), _came_in(row))
            for row in rows
            if query.lower() in row["name"]
        ]

    chosen = await chat.app.push_screen_wait(
        Picker(
            f"Who can read {clean_name(where)}: {people} people on {len(rows)} devices",
            find,
            above=f"{protection}From the keys themselves, not from what the relay says.",
            hint="Enter compares the safety number, Escape goes back",
        )
    )
    if chosen is not None and chosen != chat.desk.account:
        await show_verify(chat, chosen)


def _reader(row: dict[str, Any]) -> str:
    mark = "this device" if row["own"] else "verified" if row["verified"] else "not verified"
    device = clean_line(row["device"], cells=32)[:8]
    return f"{clean_name(row['display'])}  {device}  {mark}  {clean_line(row['role'], cells=8)}"


def _came_in(row: dict[str, Any]) -> str:
    if row["at_ms"] is None:
        return "here before this device"
    by = f" by {clean_name(row['by'])}" if row["by"] else " by itself"
    return f"since {date_and_time(row['at_ms'])}{by}"


async def show_verify(chat: ChatScreen, about: str) -> None:
    """Compare the safety number with a person, or answer their changed identity."""
    desk = chat.desk
    name = about or await _ask_person(chat, "Compare the safety number with whom?")
    if not name:
        return
    try:
        change = desk.blocked.get(name.lower())
        if change is not None:
            if await chat.app.push_screen_wait(IdentityPanel(change)):
                await desk.accept_identity(change.name, change.new_fingerprint)
            return
        row = await desk.session.safety_number(name=name)
        answer = await chat.app.push_screen_wait(VerifyPanel(row, is_verified=row["verified"]))
        if answer == "same":
            await desk.session.verify(name=name)
            desk.say(f"--- {clean_name(name)} is verified")
        elif answer == "undo":
            await desk.session.unverify(name=name)
            desk.say(f"--- {clean_name(name)} is not verified any more")
    except WireError as error:
        desk.say(f"*** {error.text}")
    desk.wake(Part.ALL)


async def _ask_person(chat: ChatScreen, title: str) -> str | None:
    async def find(query: str) -> list[Choice]:
        names = sorted(chat.desk.people - {chat.desk.account})
        found = [Choice(name, clean_name(name)) for name in names if query.lower() in name]
        if query and query.lower() not in names:
            found.append(Choice(query.strip(), f"somebody called {clean_name(query)}"))
        return found[:LISTED]

    chosen: str | None = await chat.app.push_screen_wait(Picker(title, find))
    return chosen


async def show_search(chat: ChatScreen, query: str) -> None:
    """Search in everything stored here, and go to what is chosen."""
    session = chat.desk.session
    found: dict[str, dict[str, Any]] = {}

    async def find(words: str) -> list[Choice]:
        if not words.strip():
            return []
        rows = await session.find(words, limit=SEARCHED)
        found.clear()
        found.update({str(row["row"]): row for row in reversed(rows)})
        return [Choice(key, _hit(row), _place(row)) for key, row in found.items()]

    hint = f"newest first, at most {SEARCHED}. Enter goes there, Escape goes back"
    chosen = await chat.app.push_screen_wait(Picker("Search", find, query=query, hint=hint))
    if chosen is not None:
        await chat.jump(found[chosen]["conversation"], int(chosen))


def _hit(row: dict[str, Any]) -> str:
    return f"{clean_name(row['display'])}: {clean_line(row['text'], cells=200)}"


def _place(row: dict[str, Any]) -> str:
    return f"{clean_name(row['conversation'])}, {date_and_time(row['sent_at_ms'])}"


async def show_switcher(chat: ChatScreen, query: str) -> None:
    """Go to a conversation or a person by name."""

    async def find(words: str) -> list[Choice]:
        wanted = words.strip().lower()
        rooms = [room for room in chat.desk.rooms.all() if wanted in room.name.lower()]
        found = [
            Choice(room.name, clean_name(room.name), f"{room.unread} unread" * bool(room.unread))
            for room in sorted(rooms, key=lambda room: not room.unread)
        ]
        known = {room.name for room in rooms}
        people = sorted(f"@{name}" for name in chat.desk.people if wanted.lstrip("@") in name)
        found += [Choice(n, clean_name(n), "a new chat") for n in people if n not in known]
        return found[:LISTED]

    chosen = await chat.app.push_screen_wait(Picker("Go to", find, query=query))
    if chosen is not None:
        name = "query" if chosen.startswith("@") else "switch"
        argument = chosen.removeprefix("@") if name == "query" else chosen
        await chat.desk.do(Command(name, (argument,)), chat.desk.current)


async def show_rooms(chat: ChatScreen, query: str) -> None:
    """Show the rooms of this relay: join one, go to one, or make one."""
    session = chat.desk.session

    async def find(words: str) -> list[Choice]:
        rows = await session.rooms(query=words.strip().removeprefix("#"), limit=LISTED)
        mine = {room.name for room in chat.desk.rooms.all()}
        found = [Choice(f"#{r['name']}", f"#{r['name']}", _room_note(r, mine)) for r in rows]
        name = words.strip().removeprefix("#")
        if name and all(row["name"] != name.lower() for row in rows):
            found.append(Choice(f"+{name}", f"make the room #{clean_name(name)}"))
        return found

    hint = "Enter joins or goes there, a new name makes a room, Escape goes back"
    chosen = await chat.app.push_screen_wait(Picker("Rooms", find, query=query, hint=hint))
    if chosen is None:
        return
    if chosen.startswith("+"):
        await _make_room(chat, chosen[1:])
    elif chat.desk.rooms.get(chosen) is not None:
        await chat.desk.switch(chosen)
    else:
        await chat.desk.do(Command("join", (chosen[1:],)), chat.desk.current)


def _room_note(row: dict[str, Any], mine: set[str]) -> str:
    rule = {"open": "open", "password": "with a password"}.get(row["join"], "by invitation")
    inside = ", you are in it" if f"#{row['name']}" in mine else ""
    return f"{rule}, {row['members']} members{inside}"


async def _make_room(chat: ChatScreen, name: str) -> None:
    async def find(query: str) -> list[Choice]:
        return [
            Choice("open", "open", "whoever is on this relay may come in"),
            Choice("password", "with a password", "the members check it, not the relay"),
            Choice("invite", "by invitation", "members bring people in"),
        ]

    rule = await chat.app.push_screen_wait(Picker(f"Who may join #{clean_name(name)}?", find))
    if rule is None:
        return
    args: tuple[str, ...] = (name,) if rule == "open" else (name, "invite")
    if rule == "password":
        prompt = f"Password of #{clean_name(name)}:"
        secret = await chat.app.push_screen_wait(AskText(prompt, secret=True))
        if not secret:
            return
        args = (name, secret)
    await chat.desk.do(Command("create", args), chat.desk.current)


async def show_people(chat: ChatScreen, query: str) -> None:
    """Show who is here; choosing somebody offers what can be done."""
    desk = chat.desk

    async def find(words: str) -> list[Choice]:
        if desk.is_admin:
            rows = await desk.session.users(limit=LISTED, after="")
            found = [Choice(row["name"], clean_name(row["name"]), _user_note(row)) for row in rows]
        else:
            rows = await desk.session.who(conversation=None)
            found = [
                Choice(r["name"], clean_name(r.get("display") or r["name"]), "online") for r in rows
            ]
        found = [choice for choice in found if words.lower() in choice.value]
        if words and all(choice.value != words.lower() for choice in found):
            found.append(Choice(words.strip(), f"somebody called {clean_name(words)}"))
        return found

    chosen = await chat.app.push_screen_wait(Picker("People", find, query=query))
    if chosen is not None:
        await _with_person(chat, chosen)


def _user_note(row: dict[str, Any]) -> str:
    parts = [
        "admin" if row["admin"] else "",
        "online" if row["online"] else "",
        f"banned{until(row['banned_until_ms'])}" if row["banned_until_ms"] else "",
        f"muted{until(row['muted_until_ms'])}" if row["muted_until_ms"] else "",
    ]
    return ", ".join(part for part in parts if part)


_DEEDS: Final = (
    ("query", "write to them", False),
    ("verify", "compare the safety number", False),
    ("invite", "bring them into this room", False),
    ("remove", "remove them from this room", False),
    ("owner", "make them an owner of this room", False),
    ("kick", "kick: end their connections, they may come back", True),
    ("ban", "ban: keep them out, for a time or for good", True),
    ("unban", "unban: let them in again", True),
    ("mute", "mute: let them read but not write", True),
    ("unmute", "unmute: let them write again", True),
    ("promote", "make them an admin of the relay", True),
    ("demote", "no admin any more", True),
)
_WITH_REASON: Final = frozenset({"kick", "ban", "mute"})
_ROOM_DEEDS: Final = frozenset({"invite", "remove", "owner"})


async def _with_person(chat: ChatScreen, name: str) -> None:
    in_room = chat.desk.current.startswith("#") and chat.desk.current != "#lobby"

    async def find(query: str) -> list[Choice]:
        return [
            Choice(deed, words)
            for deed, words, for_admins in _DEEDS
            if (chat.desk.is_admin or not for_admins) and (in_room or deed not in _ROOM_DEEDS)
        ]

    shown = clean_name(name)
    deed = await chat.app.push_screen_wait(Picker(f"{shown}: what to do?", find))
    if deed is None:
        return
    args: tuple[str, ...] = (name,)
    if deed in _WITH_REASON:
        prompt = "Reason (a time first, if not for good: 30m, 12h, 7d):"
        reason = await chat.app.push_screen_wait(AskText(prompt, above=f"/{deed} {shown}"))
        if reason is None:
            return
        args = (name, *reason.split(maxsplit=1)) if deed != "kick" else (name, reason)
    elif deed in ("remove", "demote", "promote", "owner") and not await chat.app.push_screen_wait(
        Confirm(f"/{deed} {shown}: do it?", yes="Do it")
    ):
        return
    await chat.desk.do(Command(deed, tuple(arg for arg in args if arg)), chat.desk.current)


OPEN: Final[dict[str, Callable[[ChatScreen, str], Awaitable[None]]]] = {
    "help": show_help,
    "readers": show_readers,
    "verify": show_verify,
    "search": show_search,
    "switcher": show_switcher,
    "rooms": show_rooms,
    "people": show_people,
}
