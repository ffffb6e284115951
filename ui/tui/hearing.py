"""What each event changes on the desk.

Never shows a message by itself: it says that there is something to read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engine import events
from engine.events import Event
from ui.gate import clean_name
from ui.lines.render import LOBBY
from ui.tui.model.items import mentions
from ui.tui.wishes import Part
from wire.errors import WireError

if TYPE_CHECKING:
    from ui.tui.desk import Desk


def heard(desk: Desk, event: Event) -> None:
    """Take an event; never blocks."""
    handler = _HEARD.get(type(event))
    if handler is not None:
        handler(desk, event)


def _message(desk: Desk, event: events.Message) -> None:
    desk.people.add(event.sender)
    desk.wake(Part.ROOMS)
    if event.conversation == desk.current:
        desk.wake(Part.TIMELINE)
    is_seen = event.conversation == desk.current and desk.wishes.is_watching()
    if event.own or is_seen:
        return
    is_mention = event.direct or mentions(event.text, desk.account)
    if is_mention:
        desk.rooms.add_mention(event.conversation)
    who = clean_name(event.display or event.sender)
    if not event.direct:
        who += f" in {clean_name(event.conversation)}"
    desk.wishes.attention(who, event.text, is_mention=is_mention)


def _outgoing(desk: Desk, event: events.Outgoing) -> None:
    desk.wake(Part.TIMELINE | Part.ROOMS)


def _line(desk: Desk, event: events.Membership | events.Unreadable) -> None:
    """What stands in the store as well: it is read from there."""
    desk.wake(Part.ROOMS)
    if event.conversation == desk.current:
        desk.wake(Part.TIMELINE)


def _device(desk: Desk, event: events.DeviceAdded) -> None:
    desk.wake(Part.TIMELINE | Part.ROOMS)
    if not event.own:
        task = asyncio.ensure_future(_note_device(desk, event))
        task.add_done_callback(lambda done: done.exception())


async def _note_device(desk: Desk, event: events.DeviceAdded) -> None:
    """Remember a verified person's new device, for a warning before the next message."""
    for room in desk.rooms.all():
        with contextlib.suppress(WireError):
            rows = await desk.session.members(room.name)
            if any(row["name"] == event.name and row["verified"] for row in rows):
                known = desk.new_devices.setdefault(event.name, [])
                known += [event.device] if event.device not in known else []
                return


def _presence(desk: Desk, event: events.Presence) -> None:
    desk.people.add(event.name)
    desk.rooms.set_online(event.name, event.online)
    desk.wake(Part.ROOMS)
    if desk.account and desk.current == LOBBY:
        desk.show_event(event)


def _identity(desk: Desk, event: events.IdentityChanged) -> None:
    desk.blocked[event.name] = event
    desk.show_event(event)
    desk.wake(Part.ALL)


def _link(desk: Desk, event: events.Connected | events.Disconnected) -> None:
    desk.is_connected = isinstance(event, events.Connected)
    known = desk.link
    if isinstance(event, events.Connected):
        desk.link = f"connected to {event.server}"
    elif event.retry_in_s is None:
        desk.link = "not connected: /reconnect tries again"
    else:
        desk.link = "not connected, trying again"
    if desk.link != known and not desk.is_connected:
        desk.show_event(event)  # the reason, once
    desk.wake(Part.STATUS | Part.ROOMS)


def _shown(desk: Desk, event: Event) -> None:
    desk.show_event(event)


_HEARD: Final[dict[type, Callable[[Desk, Any], None]]] = {
    events.Message: _message,
    events.Outgoing: _outgoing,
    events.Membership: _line,
    events.Unreadable: _line,
    events.DeviceAdded: _device,
    events.Presence: _presence,
    events.IdentityChanged: _identity,
    events.Connected: _link,
    events.Disconnected: _link,
    events.Kicked: _shown,
    events.Banned: _shown,
    events.Muted: _shown,
    events.Notice: _shown,
    events.JoinResult: _shown,
}
