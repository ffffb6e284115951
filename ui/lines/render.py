"""Events as lines for a person. Every string from outside passes the output gate here. No I/O.

Never decides anything: what is shown is what the event says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine import events
from engine.events import Event
from ui.gate import clean_block, clean_line, clean_name
from wire.link import format_fingerprint
from wire.policy import LOBBY_NAME
from wire.pushes import NoticeKind

LOBBY = f"#{LOBBY_NAME}"


def clock(at_ms: int) -> str:
    """Return the local time of day, HH:MM."""
    try:
        return time.strftime("%H:%M", time.localtime(at_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return "--:--"


def date_and_time(at_ms: int) -> str:
    """Return the local date and time; "for good" for -1."""
    if at_ms < 0:
        return "for good"
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(at_ms / 1000))
    except (OverflowError, ValueError, OSError):
        return "a date beyond the calendar"


def until(at_ms: int) -> str:
    """Return " until ..." or " for good", for a sentence's end; nothing for 0."""
    if at_ms == 0:
        return ""
    return " for good" if at_ms < 0 else f" until {date_and_time(at_ms)}"


def message_lines(
    *, current: str, conversation: str, name: str, text: str, at_ms: int, state: str = ""
) -> str:
    """Return a message's lines; its conversation is named unless it is the current one."""
    where = "" if conversation == current else f"[{clean_name(conversation)}] "
    mark = f" ({clean_line(state)})" if state else ""
    head = f"{clock(at_ms)} {where}{clean_name(name)}: "
    return f"{head}{clean_block(text, indent='      | ')}{mark}"


def render(event: Event, *, current: str, account: str) -> str | None:
    """Return the line of an event, or None for one that a person need not see."""
    show = _SHOW.get(type(event))
    if show is None:
        return None
    return show(event, _View(current, account))


class _View:
    """Where the person is, and who."""

    __slots__ = ("account", "current")

    def __init__(self, current: str, account: str) -> None:
        self.current, self.account = current, account

    def who(self, name: str, display: str = "") -> str:
        return "you" if name == self.account else clean_name(display or name)

    def where(self, conversation: str) -> str:
        return "" if conversation in ("", self.current) else f" in {clean_name(conversation)}"


def _message(event: events.Message, view: _View) -> str:
    missing = ""
    if event.missing:
        missing = f"--- {event.missing} of {clean_name(event.sender)}'s messages never arrived\n"
    return missing + message_lines(
        current=view.current,
        conversation=event.conversation,
        name="you" if event.own else (event.display or event.sender),
        text=event.text,
        at_ms=event.sent_at_ms,
    )


_CHANGES = {
    "joined": "{who} joined{where}",
    "invited": "{who} {was} brought in by {by}{where}",
    "left": "{who} left{where} for good",
    "removed": "{who} {was} removed{where} by {by}",
    "banned": "{who} {was} removed{where} by {by}: banned",
    "owner": "{who} {are} an owner now{where}",
    "admin": "{who} {are} an admin of the room now{where}",
    "member": "{who} {have} no special role any more{where}",
    "closed": "closed to newcomers until an owner sets a new password (/password){where}",
    "password": "{by} set a new password{where}",
}


def _membership(event: events.Membership, view: _View) -> str | None:
    if event.conversation == LOBBY and event.change in ("joined", "left"):
        return None  # everybody is in the lobby: presence tells who came
    is_own = event.name == view.account
    if is_own and event.change == "joined":
        return None  # the answer to /join says so
    by = {"relay": "the relay", "": view.who(event.name, event.display)}.get(event.by)
    line = _CHANGES.get(event.change, "{who}: {change}{where}").format(
        who=view.who(event.name, event.display),
        was="were" if is_own else "was",
        are="are" if is_own else "is",
        have="have" if is_own else "has",
        by=by or view.who(event.by),
        where=view.where(event.conversation),
        change=clean_line(event.change),
    )
    return f"--- {line}{_reason(event.reason)}"


def _reason(text: str) -> str:
    return f" ({clean_line(text, cells=200)})" if text else ""


def _presence(event: events.Presence, view: _View) -> str | None:
    if event.name == view.account:
        return None
    return f"--- {view.who(event.name, event.display)} {'joined' if event.online else 'left'}"


def _kicked(event: events.Kicked, view: _View) -> str:
    by = f" by {clean_name(event.by)}" if event.by else ""
    return f"*** You were kicked{by}{_reason(event.text)}. Come back with /reconnect, or /quit."


def _banned(event: events.Banned, view: _View) -> str:
    by = f" by {clean_name(event.by)}" if event.by else ""
    return (
        f"*** You are banned{by}{until(event.until_ms)}{_reason(event.text)}. Your history stays."
    )


def _muted(event: events.Muted, view: _View) -> str:
    if event.until_ms == 0:
        return "*** You may write again."
    return (
        f"*** You are muted{until(event.until_ms)}{_reason(event.text)}: you can read, not write."
    )


_NOTICES = {
    NoticeKind.KICKED: "{who} {was} kicked by {by}",
    NoticeKind.BANNED: "{who} {was} banned by {by}{until}",
    NoticeKind.UNBANNED: "{who} may come back: unbanned by {by}",
    NoticeKind.MUTED: "{who} {was} muted by {by}{until}",
    NoticeKind.UNMUTED: "{who} may write again: unmuted by {by}",
    NoticeKind.PROMOTED: "{who} {was} made an admin by {by}",
    NoticeKind.DEMOTED: "{who} {are} no admin any more, by {by}",
}


def _notice(event: events.Notice, view: _View) -> str:
    form = _NOTICES.get(event.kind)  # type: ignore[call-overload]
    if form is not None:
        line = form.format(
            was="were" if event.name == view.account else "was",
            are="are" if event.name == view.account else "is",
            who=view.who(event.name, event.display),
            by=view.who(event.by),
            until=until(event.until_ms),
        )
        return f"--- {line}{_reason(event.text)}"
    if event.kind == NoticeKind.ANNOUNCEMENT:
        return f"*** {view.who(event.by)} announces: {clean_block(event.text, indent='    ')}"
    return f"*** {clean_block(event.text, indent='    ')}{view.where(event.conversation)}"


def _outgoing(event: events.Outgoing, view: _View) -> str | None:
    if event.state != "failed":
        return None
    what = clean_line(event.text or event.code, cells=300)
    where = view.where(event.conversation)
    return f"*** Not delivered{where}: {what} (kept; see /status, /retry, /cancel)"


def _join_result(event: events.JoinResult, view: _View) -> str:
    if event.state == "joined":
        return f"--- you joined {clean_name(event.conversation)}"
    return (
        f"*** {clean_name(event.conversation)}: {clean_line(event.text or event.code, cells=300)}"
    )


def _device_added(event: events.DeviceAdded, view: _View) -> str:
    whose = "Your account" if event.own else view.who(event.name)
    return f"--- {whose} has a new device: {clean_line(event.device, cells=32)}"


_REFUSED_NEWCOMER = "bad_confirmation_tag"  # an external commit without the room's key


def _unreadable(event: events.Unreadable, view: _View) -> str:
    if event.code == _REFUSED_NEWCOMER:
        where = view.where(event.conversation)
        return f"--- Somebody without the right password was refused{where}."
    by = f" by {clean_name(event.sender)}" if event.sender else ""
    return (
        f"--- An entry{by} could not be read{view.where(event.conversation)}"
        f" (number {event.seq}: {clean_line(event.code, cells=60)}); what follows is shown."
    )


def _identity_changed(event: events.IdentityChanged, view: _View) -> str:
    name = clean_name(event.name)
    verified = " You had verified the old one." if event.was_verified else ""
    return (
        f"*** {name} has a NEW identity: a new start, or somebody else.{verified}\n"
        f"    Nothing is sent to {name} until you ask them in person and type /accept {name}.\n"
        f"    before: {format_fingerprint(clean_line(event.old_fingerprint, cells=64))}\n"
        f"    now:    {format_fingerprint(clean_line(event.new_fingerprint, cells=64))}"
    )


def _connected(event: events.Connected, view: _View) -> str:
    return f"--- connected to {clean_line(event.server, cells=80)}"


def _disconnected(event: events.Disconnected, view: _View) -> str:
    reason = clean_line(event.text or event.code, cells=300).rstrip(".")
    why = f": {reason}" if reason else ""
    if event.retry_in_s is None:
        return f"--- not connected{why}. /reconnect tries again."
    return f"--- not connected{why}. What you write is kept; trying again by itself."


# Each function takes the event type that stands beside it.
_SHOW: dict[type, Callable[[Any, _View], str | None]] = {
    events.Message: _message,
    events.Membership: _membership,
    events.Presence: _presence,
    events.Kicked: _kicked,
    events.Banned: _banned,
    events.Muted: _muted,
    events.Notice: _notice,
    events.Outgoing: _outgoing,
    events.JoinResult: _join_result,
    events.DeviceAdded: _device_added,
    events.Unreadable: _unreadable,
    events.IdentityChanged: _identity_changed,
    events.Connected: _connected,
    events.Disconnected: _disconnected,
}
