"""What happens, as the faces hear of it: the notifications of the JSON contract.

Never a secret and never markup: text from outside stands here as it came, the face makes it safe.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct, to_builtins


class EventBase(Struct, frozen=True, kw_only=True, tag_field="event"):
    """Fields are what the contract names; those with defaults are extra help for a face.

    `conversation` is a name for people: "#lobby", "#room" or "@bob". `name`, `sender` and `by` are
    accounts (case-mapped); `display` is the account as typed. Times: ms since 1970, UTC.
    """


class Message(EventBase, frozen=True, tag="message"):
    """A text arrived (or one of this account, from another device, when `own`).

    `id`: 32 hex digits. `missing`: how many of the sender's messages before it never arrived.
    """

    conversation: str
    id: str
    seq: int
    sender: str
    text: str
    sent_at_ms: int
    direct: bool
    display: str = ""
    own: bool = False
    verified: bool = False
    missing: int = 0


class Membership(EventBase, frozen=True, tag="membership"):
    """Somebody's place in a conversation changed.

    `change`: joined, invited, left, removed, banned, owner, admin, member, closed, password.
    `by`: an account, "" for oneself, or "relay" when no valid order stood behind a removal.
    """

    conversation: str
    name: str
    change: str
    by: str
    display: str = ""
    reason: str = ""


class Presence(EventBase, frozen=True, tag="presence"):
    """Somebody came or went."""

    name: str
    online: bool
    display: str = ""


class Kicked(EventBase, frozen=True, tag="kicked"):
    """An admin ended this connection; it comes back only when asked."""

    by: str = ""
    text: str = ""


class Banned(EventBase, frozen=True, tag="banned"):
    """This account is banned; `until_ms` is -1 for good."""

    by: str = ""
    text: str = ""
    until_ms: int = -1


class Muted(EventBase, frozen=True, tag="muted"):
    """This account may read but not write; `until_ms` is -1 for good, 0 when it is over."""

    by: str = ""
    text: str = ""
    until_ms: int = -1


class Notice(EventBase, frozen=True, tag="notice"):
    """Something that everybody is told (`kind` of wire.pushes.NoticeKind), or a warning of ours.

    Warnings: "frozen" (the relay's log does not fit what others saw), "clone" (this device was
    removed by a resync that it did not make), "warning" (anything else); `conversation` may be "".
    """

    kind: str
    text: str = ""
    name: str = ""
    display: str = ""
    by: str = ""
    until_ms: int = 0
    conversation: str = ""


class Outgoing(EventBase, frozen=True, tag="outgoing"):
    """What became of a text: queued, stored (at the relay, with `seq`), failed (`code`, `text`)."""

    id: str
    state: str
    conversation: str = ""
    seq: int | None = None
    code: str = ""
    text: str = ""


class JoinResult(EventBase, frozen=True, tag="join_result"):
    """The verdict on a join that waited: joined, or failed with `code`."""

    conversation: str
    state: str
    code: str = ""
    text: str = ""


class DeviceAdded(EventBase, frozen=True, tag="device_added"):
    """A device of one's own or of a contact is new; `device`: 32 hex digits."""

    name: str
    device: str
    own: bool = False


class Unreadable(EventBase, frozen=True, tag="unreadable"):
    """An entry that could not be read, or a stretch of them ending at `seq`; the log goes on."""

    conversation: str
    seq: int
    code: str
    sender: str = ""


class IdentityChanged(EventBase, frozen=True, tag="identity_changed"):
    """A contact has another root than before: nothing is sent until it is accepted."""

    name: str
    old_fingerprint: str
    new_fingerprint: str
    was_verified: bool = False


class Connected(EventBase, frozen=True, tag="connected"):
    """The session with the relay is ready."""

    server: str
    fingerprint: str


class Disconnected(EventBase, frozen=True, tag="disconnected"):
    """The session ended. `retry_in_s`: when the next try comes, or None when only asked."""

    code: str = ""
    text: str = ""
    retry_in_s: float | None = None


Event: TypeAlias = (
    Message
    | Membership
    | Presence
    | Kicked
    | Banned
    | Muted
    | Notice
    | Outgoing
    | JoinResult
    | DeviceAdded
    | Unreadable
    | IdentityChanged
    | Connected
    | Disconnected
)


def event_name(event: Event) -> str:
    """Return the notification's method name."""
    return str(event.__struct_config__.tag)


def event_params(event: Event) -> dict[str, Any]:
    """Return the notification's params, ready for JSON."""
    params: dict[str, Any] = to_builtins(event)
    del params["event"]
    return params
