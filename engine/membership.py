"""What a commit changed, told for people: who joined, left or was removed, and by whom.

Never decides anything: it compares what stood before with what stands after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from engine.conversation import Conversation
from engine.events import DeviceAdded, Event, Membership
from engine.judge import Standing
from engine.orders import signer_of
from engine.roster import Place
from storage.client.messaging import Line
from storage.client.timeline import MEMBERSHIP
from wire.entry import OrderKind
from wire.policy import Kind, Policy

DEVICE: Final = "device"  # the kind of the line that tells of a known account's new device


class MembershipNote(Struct, frozen=True, array_like=True):
    """What a membership line of the timeline keeps besides its text (the change)."""

    by: str
    display: str = ""
    reason: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(MembershipNote)


def read_note(extra: bytes) -> MembershipNote:
    """Return what a membership line keeps."""
    return _decoder.decode(extra) if extra else MembershipNote("")


@dataclass(frozen=True, slots=True)
class Told:
    """One change; `by` is an account, "" for oneself, "relay" without a valid order."""

    place: Place
    change: str
    by: str = ""
    reason: str = ""


def narrate(
    conversation: Conversation,
    before: Standing,
    after: Standing,
    *,
    committer: Place,
    is_external: bool,
    seq: int,
    arrived_at_ms: int,
    own_account: str,
) -> tuple[tuple[Line, ...], tuple[Event, ...]]:
    """Return the timeline's lines and the events for what a commit changed."""
    told = _gone(before, after, committer)
    if conversation.kind is not Kind.DIRECT:  # who is in a direct conversation goes without saying
        told += _came(before, after, committer, is_external)
    told += _roles(before.policy, after, committer)
    lines = [_line(one, seq=seq, arrived_at_ms=arrived_at_ms) for one in told]
    events: list[Event] = [_event(conversation, one) for one in told]
    for added in _devices(before, after, own_account):
        events.append(added)
        lines.append(Line(DEVICE, added.name, added.device, seq=seq, arrived_at_ms=arrived_at_ms))
    return tuple(lines), tuple(events)


def _line(told: Told, *, seq: int, arrived_at_ms: int) -> Line:
    return told_line(
        told.place.account,
        told.change,
        by=told.by,
        display=told.place.display,
        reason=told.reason,
        seq=seq,
        arrived_at_ms=arrived_at_ms,
    )


def told_line(
    account: str,
    change: str,
    *,
    by: str,
    display: str,
    seq: int,
    arrived_at_ms: int,
    reason: str = "",
) -> Line:
    """Return the timeline's line for a change."""
    note = _encoder.encode(MembershipNote(by, display, reason))
    return Line(MEMBERSHIP, account, change, seq=seq, arrived_at_ms=arrived_at_ms, extra=note)


def _event(conversation: Conversation, told: Told) -> Membership:
    return Membership(
        conversation=conversation.title,
        name=told.place.account,
        change=told.change,
        by=told.by,
        display=told.place.display,
        reason=told.reason,
    )


def _new_places(before: Standing, after: Standing) -> list[Place]:
    old, new = before.roster.places, after.roster.places
    return [place for leaf, place in new.items() if old.get(leaf) is not place]


def _gone(before: Standing, after: Standing, committer: Place) -> list[Told]:
    new = after.roster.places
    left = [place for leaf, place in before.roster.places.items() if new.get(leaf) is not place]
    if not left:
        return []
    remaining = {place.account for place in after.roster}
    found = {p.account: p for p in left if p.account not in remaining}
    return [_why_gone(before, place, committer) for place in found.values()]


def _why_gone(before: Standing, place: Place, committer: Place) -> Told:
    for waiting in before.waiting:
        if waiting.leaf != place.leaf:
            continue
        signer = signer_of(waiting.data, place, before.conversation)
        order = waiting.data.order
        if signer is None or order is None:
            return Told(place, "removed", "relay")
        if order.kind is OrderKind.BAN:
            return Told(place, "banned", signer.account, order.reason)
        return Told(place, "left")
    by = "" if committer.account == place.account else committer.account
    return Told(place, "removed" if by else "left", by)


def _came(before: Standing, after: Standing, committer: Place, is_external: bool) -> list[Told]:
    new = _new_places(before, after)
    if not new:
        return []
    known = {place.account for place in before.roster}
    found = {p.account: p for p in new if p.account not in known}
    change, by = ("joined", "") if is_external else ("invited", committer.account)
    return [Told(place, change, by) for place in found.values()]


def _devices(before: Standing, after: Standing, own_account: str) -> list[DeviceAdded]:
    known_devices = {place.device for place in before.roster}
    known = {place.account for place in before.roster}
    return [
        DeviceAdded(name=p.account, device=p.device.hex(), own=p.account == own_account)
        for p in _new_places(before, after)
        if p.account in known and p.device not in known_devices
    ]


def _roles(before: Policy, after: Standing, committer: Place) -> list[Told]:
    policy = after.policy
    if policy == before:
        return []
    told = []
    for root in {*before.owners, *before.admins, *policy.owners, *policy.admins}:
        role = role_of(policy, root)
        places = after.roster.of_root(root)
        if role != role_of(before, root) and places:
            told.append(Told(places[0], role, committer.account))
    if policy.lock is not None and policy.lock != before.lock:
        told.append(Told(committer, "closed" if policy.lock.closed else "password"))
    return told


def role_of(policy: Policy, root: bytes) -> str:
    """Return "owner", "admin" or "member"."""
    if root in policy.owners:
        return "owner"
    return "admin" if root in policy.admins else "member"
