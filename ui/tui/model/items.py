"""What a timeline shows, one item a message or a line: made from stored lines, outbox rows, events.

Never holds text that did not pass the output gate.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from engine import events
from ui.gate import clean_name
from ui.lines.render import render
from ui.tui.model.spans import plain

_numbers = itertools.count(1)


class Kind(Enum):
    """How an item looks."""

    MESSAGE = auto()
    TOLD = auto()  # what happened: joins, leaves, roles
    WARNING = auto()  # what a person must see
    OUTPUT = auto()  # a command's answer


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a timeline. `row`: its local id when stored; `seq`: its place in the log."""

    key: str
    kind: Kind
    at_ms: int
    text: str
    sender: str = ""
    name: str = ""
    own: bool = False
    state: str = "stored"  # or queued, failed
    seq: int | None = None
    row: int | None = None
    mention: bool = False
    code: str = ""
    is_trouble: bool = False


def mentions(text: str, account: str) -> bool:
    """Tell whether a text names the account with an @."""
    if "@" not in text or not account:
        return False
    words = (word.strip("@.,:;!?()[]{}\"'*_`").casefold() for word in text.split() if "@" in word)
    return account.casefold() in words


def stored_item(line: dict[str, Any], *, account: str) -> Item | None:
    """Return the item of a stored line (engine/pages.py), or None for one that shows nothing."""
    kind = line["kind"]
    make = _MAKERS.get(kind)
    if make is not None:
        return make(line, account)
    text = plain(line["text"], keep_newlines=True)
    return Item(
        f"row:{line['row']}",
        Kind.MESSAGE,
        line["sent_at_ms"],
        text,
        sender=line["sender"],
        name="you" if line["own"] else plain(clean_name(line["display"] or line["sender"])),
        own=line["own"],
        seq=line["seq"],
        row=line["row"],
        mention=not line["own"] and mentions(text, account),
    )


def _told(line: dict[str, Any], event: events.Event, account: str) -> Item | None:
    text = render(event, current=line["conversation"], account=account)
    if text is None:
        return None
    kind = Kind.WARNING if text.startswith("***") else Kind.TOLD
    return Item(
        f"row:{line['row']}",
        kind,
        line["arrived_at_ms"],
        plain(text[4:], keep_newlines=True),
        sender=line["sender"],
        seq=line["seq"],
        row=line["row"],
        code=line["text"] if line["kind"] == "unreadable" else "",
        is_trouble=line["kind"] in ("unreadable", "gap"),
    )


def _membership(line: dict[str, Any], account: str) -> Item | None:
    event = events.Membership(
        conversation=line["conversation"],
        name=line["sender"],
        change=line["change"],
        by=line["by"],
        display=line["display"],
        reason=line["reason"],
    )
    return _told(line, event, account)


def _device(line: dict[str, Any], account: str) -> Item | None:
    own = line["sender"] == account
    return _told(
        line, events.DeviceAdded(name=line["sender"], device=line["text"], own=own), account
    )


def _unreadable(line: dict[str, Any], account: str) -> Item | None:
    event = events.Unreadable(
        conversation=line["conversation"],
        seq=line["seq"] or 0,
        code=line["text"],
        sender=line["sender"],
    )
    return _told(line, event, account)


def _gap(line: dict[str, Any], account: str) -> Item | None:
    name = clean_name(line["display"] or line["sender"])
    text = f"{plain(line['text'])} of {plain(name)}'s messages never arrived"
    return Item(
        f"row:{line['row']}",
        Kind.TOLD,
        line["arrived_at_ms"],
        text,
        sender=line["sender"],
        seq=line["seq"],
        row=line["row"],
        code="gap",
        is_trouble=True,
    )


def _notice(line: dict[str, Any], account: str) -> Item | None:
    event = events.Notice(kind="warning", text=line["text"], conversation=line["conversation"])
    return _told(line, event, account)


_MAKERS: Final = {
    "membership": _membership,
    "device": _device,
    "unreadable": _unreadable,
    "gap": _gap,
    "notice": _notice,
}


def waiting_item(row: dict[str, Any]) -> Item:
    """Return the item of an outbox row: queued, or failed with the relay's reason."""
    return Item(
        f"out:{row['id']}",
        Kind.MESSAGE,
        row["sent_at_ms"],
        plain(row["text"], keep_newlines=True),
        name="you",
        own=True,
        state=row["state"],
        code=plain(row.get("code") or ""),
    )


def said(text: str, *, at_ms: int) -> Item:
    """Return the item of a line of ours ("--- ...", "*** ..." or a command's answer)."""
    kind = Kind.OUTPUT
    if text.startswith("*** "):
        kind, text = Kind.WARNING, text[4:]
    elif text.startswith("--- "):
        kind, text = Kind.TOLD, text[4:]
    return Item(f"say:{next(_numbers)}", kind, at_ms, plain(text, keep_newlines=True))
