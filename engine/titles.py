"""Names of conversations for people: "#lobby", "#room", "@bob".

Never looks anything up.
"""

from __future__ import annotations

from wire.errors import Code, WireError
from wire.names import canonical_name, canonical_room_name
from wire.policy import LOBBY_NAME

LOBBY = f"#{LOBBY_NAME}"


def title_of(typed: str) -> str:
    """Return the one form of "@Bob", "#Room" or "room"; raise WireError(bad_name)."""
    typed = typed.strip()
    if typed.startswith("@"):
        return f"@{canonical_name(typed[1:])}"
    return f"#{canonical_room_name(typed.removeprefix('#'), allow_reserved=True)}"


def account_in(title: str) -> str | None:
    """Return the account of "@account", None for a room."""
    return title[1:] if title.startswith("@") else None


def room_title(typed: str) -> str:
    """Return the title of a room or the lobby; raise WireError(bad_request) for a person's."""
    title = title_of(typed)
    if account_in(title) is not None:
        raise WireError(Code.BAD_REQUEST, "That is a person; a room's name starts with #.")
    return title
