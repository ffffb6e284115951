"""The keys of the full-screen face: one table, read by the screens, the help and the settings.

Each key has a name, by which the settings file may give it other keys ([keys] in client.toml).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Key(NamedTuple):
    """`keys` as Textual writes them, with commas; `action` is a method of the chat screen."""

    name: str
    keys: str
    action: str
    help: str


CHAT: Final = (
    Key("help", "f1", "help", "keys and commands"),
    Key("readers", "f2", "readers", "who can read this conversation"),
    Key("verify", "f3", "verify", "compare the safety number with this person"),
    Key("search", "f4", "search", "search in everything stored here"),
    Key("rooms", "f5", "browse", "rooms of this relay: join one, or make one"),
    Key("theme", "f6", "next_theme", "the next theme"),
    Key("date", "f7", "ask_date", "go to a day"),
    Key("quiet", "f8", "quiet", "do not disturb, on or off"),
    Key("sidebar", "f9,ctrl+b", "sidebar", "show or hide the conversations"),
    Key("people", "f10", "people", "people of this relay, and what an admin can do"),
    Key("switcher", "ctrl+p,ctrl+g", "switcher", "go to a conversation or a person by name"),
    Key("next", "alt+down,ctrl+down", "next_room(1)", "the next conversation"),
    Key("previous", "alt+up,ctrl+up", "next_room(-1)", "the conversation before"),
    Key("activity", "alt+a", "activity", "the next conversation with something new"),
    Key("unread", "alt+u", "first_unread", "go to where reading stopped"),
    Key("older", "pageup", "page(-1)", "back in this conversation"),
    Key("newer", "pagedown", "page(1)", "forward in this conversation"),
    Key("newest", "ctrl+end,alt+end", "newest", "down to the newest message"),
    Key("redraw", "ctrl+l", "redraw", "draw the screen anew"),
    Key("quit", "ctrl+q", "leave", "close Sotto"),
)
NAMES: Final = frozenset(key.name for key in CHAT)
WRITING: Final = (
    ("Enter", "send"),
    ("Alt+Enter, Ctrl+J", "a new line"),
    ("Tab", "complete a /command, @name, #room or :emoji:"),
    ("↑ ↓", "what was typed before, on the first and last line"),
    ("Ctrl+A Ctrl+E", "begin and end of the line"),
    ("Ctrl+W Ctrl+U Ctrl+K", "delete a word, to the begin, to the end"),
    ("Ctrl+Z Ctrl+Y", "undo, redo"),
    ("Alt+1 ... Alt+9", "go to the first, ... ninth conversation"),
    ("Ctrl+D", "close, when nothing is typed"),
)


def shown(keys: str) -> str:
    """Return keys as people write them: "alt+down,f9" is "Alt+Down F9"."""
    named = (key.replace("pageup", "pgUp").replace("pagedown", "pgDn") for key in keys.split(","))
    return " ".join("+".join(p[:1].upper() + p[1:] for p in key.split("+")) for key in named)
