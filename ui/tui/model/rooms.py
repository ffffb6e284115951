"""The list at the left: conversations with unread and mention counts, presence, marks.

Never counts messages itself: what is unread the store says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ui.lines.actions.rooms import PROTECTION
from ui.tui.model.spans import cells, cut, plain


@dataclass(frozen=True, slots=True)
class Room:
    """A row of the list; `protection` in a word, "" before there is any."""

    name: str
    unread: int = 0
    mentions: int = 0
    members: int = 0
    read_seq: int = 0
    state: str = "active"
    protection: str = ""
    is_online: bool = False
    is_verified: bool = False
    has_draft: bool = False

    def shown(self, width: int) -> str:
        """Return the row's text in `width` cells: name, marks in signs, counts."""
        marks = ("✓" if self.is_verified else "") + ("●" if self.is_online else "")
        marks += ("✎" if self.has_draft else "") + ("" if self.state == "active" else "!")
        count = f"@{self.unread}" if self.mentions else str(self.unread) if self.unread else ""
        ends = " ".join(part for part in (marks, count) if part)
        name = cut(plain(self.name), width - cells(ends) - (1 if ends else 0))
        return name + " " * (width - cells(name) - cells(ends)) + ends


@dataclass(slots=True)
class Rooms:
    """All rows, the lobby first; presence and mentions are remembered between readings."""

    _rows: dict[str, Room] = field(default_factory=dict)
    _online: set[str] = field(default_factory=set)
    _verified: set[str] = field(default_factory=set)
    _mentions: dict[str, int] = field(default_factory=dict)

    def read(self, rows: list[dict[str, Any]], *, drafts: Mapping[str, str]) -> None:
        """Take what the session says of the conversations."""
        self._rows = {
            row["name"]: Room(
                row["name"],
                unread=row["unread"],
                mentions=self._mentions.get(row["name"], 0) if row["unread"] else 0,
                members=row["members"],
                read_seq=row["read_seq"],
                state=row["state"],
                protection=PROTECTION.get(row["suite"], ""),
                is_online=row["name"][1:] in self._online and row["name"].startswith("@"),
                is_verified=row["name"] in self._verified,
                has_draft=bool(drafts.get(row["name"])),
            )
            for row in rows
        }

    def all(self) -> list[Room]:
        """Return the rows in their order."""
        return list(self._rows.values())

    def get(self, name: str) -> Room | None:
        """Return a row."""
        return self._rows.get(name)

    @property
    def unread(self) -> int:
        """How many messages are unread in all."""
        return sum(room.unread for room in self._rows.values())

    def set_online(self, account: str, is_online: bool) -> None:
        """Note that somebody came or went."""
        (self._online.add if is_online else self._online.discard)(account)

    def set_verified(self, name: str, is_verified: bool) -> None:
        """Note whether the person of a direct conversation is verified."""
        (self._verified.add if is_verified else self._verified.discard)(name)
        if name in self._rows:
            self._rows[name] = replace(self._rows[name], is_verified=is_verified)

    def add_mention(self, name: str) -> None:
        """Note that an unread message names the person."""
        self._mentions[name] = self._mentions.get(name, 0) + 1

    def clear_mentions(self, name: str) -> None:
        """The person has looked."""
        self._mentions.pop(name, None)

    def next_active(self, after: str) -> str | None:
        """Return the next conversation with something new, those that name the person first."""
        names = list(self._rows)
        at = names.index(after) + 1 if after in names else 0
        turned = [self._rows[name] for name in names[at:] + names[:at] if name != after]
        fresh = [room for room in turned if room.unread]
        return next((room.name for room in [*(r for r in fresh if r.mentions), *fresh]), None)
