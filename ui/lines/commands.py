"""What can be typed: the table of commands, and a typed line turned into a value. No I/O.

Never sends a line that begins with a slash as text, unless it begins with two.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Spec:
    """A command: `words` is how many arguments it splits off; the last one takes the rest.

    `least` of them must be there. `group` orders the help.
    """

    name: str
    usage: str
    help: str
    words: int
    least: int
    group: str
    secret: bool = False  # an argument is a password: never kept in the input's history


def _table(rows: str, group: str) -> list[Spec]:
    specs = []
    for row in rows.strip().splitlines():
        counts, usage, text = (part.strip() for part in row.split("|"))
        least, words = counts.split()
        name = usage.split()[0].removeprefix("/")
        specs.append(Spec(name, usage, text, int(words), int(least), group, "PASSWORD" in usage))
    return specs


SPECS: Final = (
    _table(
        """
        2 2 | /msg NAME TEXT            | send a private message (also: @name: text)
        1 1 | /query NAME               | open the private chat with somebody
        1 1 | /switch #ROOM or @NAME    | make that the current conversation
        0 2 | /history [COUNT] [WHERE]  | show older messages of the current conversation
        1 1 | /search WORDS             | find words in everything that this device has stored
        0 1 | /why [WHERE]              | why something could not be read, and what helps
        0 0 | /clear                    | clear the screen; nothing is deleted
        """,
        "Talking",
    )
    + _table(
        """
        0 1 | /rooms [WORD]                 | list the rooms that can be joined
        1 2 | /join ROOM [PASSWORD]         | join a room
        1 2 | /create ROOM [PASSWORD]       | make a room; `invite` as the password: by invitation
        0 1 | /leave [ROOM]                 | leave a room with all your devices
        1 2 | /invite NAME [ROOM]           | bring somebody into a room
        1 2 | /remove NAME [ROOM]           | remove somebody from a room (owners and admins of it)
        0 2 | /password [ROOM] [PASSWORD]   | set a room's password (owners)
        1 2 | /owner NAME [ROOM]            | make somebody an owner of a room (owners)
        0 1 | /members [WHERE]              | who can read a conversation, device by device
        0 1 | /who [WHERE]                  | who is online
        """,
        "Rooms",
    )
    + _table(
        """
        1 1 | /safety NAME    | show the number to compare with somebody
        1 1 | /verify NAME    | remember that you compared it and it was the same
        1 1 | /unverify NAME  | forget that
        1 1 | /accept NAME    | accept somebody's new identity, after asking them about it
        1 1 | /trust FINGERPRINT | trust a relay whose identity changed
        0 0 | /devices        | list your devices
        1 1 | /revoke DEVICE  | log one of your devices out for good
        """,
        "Trust",
    )
    + _table(
        """
        0 0 | /me         | who you are here
        0 0 | /status     | the connection, and what waits to be sent
        0 1 | /retry [ID] | try again to send what failed
        0 1 | /cancel [ID] | drop what waits to be sent
        0 0 | /reconnect  | connect again, now
        0 0 | /logout     | end the session and lock this device; it stays yours
        0 0 | /quit       | close Sotto
        0 1 | /help [COMMAND] | this list, or one command
        """,
        "You",
    )
    + _table(
        """
        1 2 | /kick NAME [REASON]        | end somebody's connections; they may come back
        1 3 | /ban NAME [TIME] [REASON]  | keep somebody out: for good, or for 30m, 12h, 7d
        1 1 | /unban NAME                | let somebody in again
        1 3 | /mute NAME [TIME] [REASON] | let somebody read but not write
        1 1 | /unmute NAME               | let them write again
        1 1 | /promote NAME              | make somebody an admin of the relay
        1 1 | /demote NAME               | take that back
        1 1 | /announce TEXT             | tell everybody online (the relay sees this text)
        0 1 | /users [AFTER]             | all accounts
        0 1 | /audit [BEFORE]            | what admins did
        """,
        "Admins",
    )
)
_GROUPS: Final = tuple(dict.fromkeys(spec.group for spec in SPECS))
BY_NAME: Final = {spec.name: spec for spec in SPECS}
ALIASES: Final = {
    "exit": "quit",
    "bye": "quit",
    "whoami": "me",
    "h": "help",
    "?": "help",
    "m": "msg",
    "w": "who",
    "j": "join",
    "names": "members",
}
# Whole lines of the programs that people come from, each to a command of ours.
WHOLE_LINES: Final = {"exit server!": "quit"}
GROUP_WORDS: Final = {"create-group": "create", "join-group": "join", "send-to-group": "send"}
BARE_HINTS: Final = frozenset({"kick", "ban", "quit", "exit", "help", "mute", "unban", "logout"})


@dataclass(frozen=True, slots=True)
class Nothing:
    """An empty line."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text for the current conversation; exactly a person's name asks to open that chat."""

    text: str


@dataclass(frozen=True, slots=True)
class Private:
    """A private message."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class ToRoom:
    """A text for a room that need not be the current one."""

    room: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its arguments, as many as were typed."""

    name: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A line that was not understood and is not sent; `text` says what to type instead."""

    text: str


Line: TypeAlias = Nothing | Text | Private | ToRoom | Command | Mistake


def parse_line(line: str) -> Line:
    """Return what a line typed in the chat means."""
    line = line.rstrip("\r\n")
    words = line.strip()
    if not words:
        return Nothing()
    if words.lower() in WHOLE_LINES:
        return Command(WHOLE_LINES[words.lower()], ())
    first = words.split(maxsplit=1)[0]
    if first.lower() in GROUP_WORDS:
        return _group_line(first.lower(), words)
    if words.lower() in BARE_HINTS or (
        first.lower() in ("kick", "ban") and len(words.split()) == 2
    ):
        return Mistake(f"Not sent. Did you mean /{words}? (To say the word, put it in a sentence.)")
    if words.startswith("//"):
        return Text(words[1:])
    if words.startswith("/"):
        return _command(words)
    if words.startswith("@"):
        return _private(words)
    return Text(line)


def holds_secret(line: str) -> bool:
    """Tell whether a typed line may hold a password, going by its first word alone."""
    first = line.strip().split(maxsplit=1)[:1]
    word = first[0].lower().removeprefix("/") if first else ""
    name = GROUP_WORDS.get(word, ALIASES.get(word, word))
    return name in ("login", "register") or (name in BY_NAME and BY_NAME[name].secret)


def _command(words: str) -> Command | Mistake:
    typed, _, rest = words[1:].partition(" ")
    name = ALIASES.get(typed.lower(), typed.lower())
    spec = BY_NAME.get(name)
    if spec is None:
        near = get_close_matches(name, [*BY_NAME, *ALIASES], n=1)
        hint = f" Did you mean /{near[0]}?" if near else " /help lists them."
        return Mistake(f"There is no command /{typed}; nothing was sent.{hint}")
    args = tuple(rest.split(maxsplit=spec.words - 1)) if spec.words else tuple(rest.split())
    if len(args) < spec.least or (spec.words == 0 and args):
        return Mistake(f"Type it like this: {spec.usage}  ({spec.help})")
    return Command(name, args)


def _private(words: str) -> Private | Mistake | Text:
    name, colon, text = words[1:].partition(":")
    if not colon and " " in name:  # "@bob hi": the colon is easily forgotten
        name, _, text = name.partition(" ")
    if not name or " " in name:
        return Mistake("Not sent. A private message is typed like this: @name: text")
    if not text.strip():
        return Text(f"@{name}")
    return Private(name, text.strip())


def _group_line(first: str, words: str) -> Command | ToRoom | Mistake:
    parts = words.split(maxsplit=2)
    if len(parts) < 3:
        what = "TEXT" if first == "send-to-group" else "PASSWORD"
        return Mistake(f"Type it like this: {first} ID {what}")
    if first == "send-to-group":
        return ToRoom(parts[1], parts[2])
    return Command(GROUP_WORDS[first], (parts[1], parts[2]))


def seconds(text: str) -> int | None:
    """Return the seconds that 90s, 30m, 12h, 7d or 2w mean; None for anything else."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
    number, unit = text[:-1], text[-1:].lower()
    if not (number.isascii() and number.isdigit() and len(number) < 7 and unit in units):
        return None
    return int(number) * units[unit] or None


def help_lines(command: str | None = None) -> list[str]:
    """Return the help: the commands by group, all with their explanation, or one."""
    if command is None:
        return _overview()
    name = command.removeprefix("/").lower()
    if name == "all":
        return _explained()
    spec = BY_NAME.get(ALIASES.get(name, name))
    if spec is None:
        return [f"There is no command /{name}. /help lists them."]
    also = [f"/{alias}" for alias, target in ALIASES.items() if target == spec.name]
    lines = [spec.usage, f"  {spec.help}"]
    return [*lines, f"  also: {', '.join(also)}"] if also else lines


def _overview() -> list[str]:
    lines = ["Text goes to the current conversation. @name: text is private. //x says /x."]
    for group in _GROUPS:
        usages = "  ".join(spec.usage for spec in SPECS if spec.group == group)
        lines += textwrap.wrap(f"{group}: {usages}", 78, subsequent_indent="  ")
    return [*lines, "/help COMMAND explains one, /help all explains each."]


def _explained() -> list[str]:
    lines = []
    for group in _GROUPS:
        lines.append(f"{group}:")
        lines += [f"  {s.usage:<28} {s.help}" for s in SPECS if s.group == group]
    return lines
