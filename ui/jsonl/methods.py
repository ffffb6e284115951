"""The methods of the JSON contract and the shape of each one's params.

Never any behaviour: a method's name is that of the engine.session.Session method that does it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from wire.limits import MAX_PAGE, MAX_TEXT_BYTES

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Seconds = Annotated[float, Meta(ge=0, le=86400)]
BanSeconds = Annotated[int, Meta(ge=1, lt=1 << 40)]
Line = Annotated[str, Meta(max_length=4096)]
# Longer texts are refused by the session with too_large, not by the parser: this only bounds them.
Text = Annotated[str, Meta(max_length=4 * MAX_TEXT_BYTES)]


class Params(Struct, frozen=True, forbid_unknown_fields=True):
    """Named params; unknown ones are refused, so a typing error is not silently ignored."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class NoParams(Params, frozen=True):
    """No params at all."""


class Register(Params, frozen=True):
    """See design: register."""

    name: Line
    password: Line
    server: Line | None = None
    email: Line | None = None
    identity: Literal["ed25519", "rsa"] = "ed25519"
    admin_code: Line | None = None
    trust: Line | None = None
    passphrase: Line | None = None


class Login(Params, frozen=True):
    """See design: login."""

    name: Line
    password: Line
    server: Line | None = None
    trust: Line | None = None
    passphrase: Line | None = None
    recovery_code: Line | None = None
    new_identity: bool = False


class Passphrase(Params, frozen=True):
    """For unlock and lock."""

    passphrase: Line | None = None


class Connect(Params, frozen=True):
    """`server` (HOST:PORT) or `link`; neither: the account's relay."""

    server: Line | None = None
    link: Line | None = None
    trust: Line | None = None


class TrustRelay(Params, frozen=True):
    """Pin another fingerprint in place of the one that `replaces` names."""

    fingerprint: Line
    replaces: Line | None = None


class AcceptIdentity(Params, frozen=True):
    """Accept a contact's changed root; the fingerprint says which one was looked at."""

    name: Line
    fingerprint: Line


class Send(Params, frozen=True):
    """`to`: "@bob" or "#room"."""

    to: Line
    text: Text
    transaction_id: Line | None = None
    wait: Literal["relay", "stored"] = "relay"


class OneId(Params, frozen=True):
    """An outbox row's id; none: all of them."""

    id: Line | None = None


class Sync(Params, frozen=True):
    """How long to wait at the most."""

    timeout_s: Seconds = 30.0


class MarkRead(Params, frozen=True):
    """Everything up to `seq` was read."""

    conversation: Line
    seq: Annotated[int, Meta(ge=0)]


class Rooms(Params, frozen=True):
    """Rooms that can be joined."""

    query: Line = ""
    limit: Limit = 50
    after: Line = ""


class MaybeConversation(Params, frozen=True):
    """A conversation, or none for the whole relay."""

    conversation: Line | None = None


class Device(Params, frozen=True):
    """A device of one's own account, as `devices` lists it."""

    device: Line


class RoomPassword(Params, frozen=True):
    """A new password for a room."""

    conversation: Line
    password: Line


class Role(Params, frozen=True):
    """A member's role in a room."""

    conversation: Line
    name: Line
    role: Literal["owner", "admin", "member"]


class History(Params, frozen=True):
    """A page of messages, ending before `before`."""

    conversation: Line
    limit: Limit = 50
    before: int | None = None


class Search(Params, frozen=True):
    """Words to find."""

    query: Line
    conversation: Line | None = None
    limit: Limit = 50


class CreateRoom(Params, frozen=True):
    """A new room."""

    name: Line
    join: Literal["open", "password", "invite"] = "open"
    password: Line | None = None
    suite: Literal["hybrid", "classical"] | None = None


class JoinRoom(Params, frozen=True):
    """A room to join."""

    name: Line
    password: Line | None = None


class Conversation(Params, frozen=True):
    """One conversation."""

    conversation: Line


class Member(Params, frozen=True):
    """Somebody in a conversation."""

    conversation: Line
    name: Line


class Name(Params, frozen=True):
    """An account."""

    name: Line


class Act(Params, frozen=True):
    """An admin's act."""

    name: Line
    reason: Line = ""
    for_s: BanSeconds | None = None


class Announce(Params, frozen=True):
    """Told to everybody online; the relay sees it."""

    text: Line


class Page(Params, frozen=True):
    """A page of a list."""

    limit: Limit = 50
    after: Line = ""


class AuditPage(Params, frozen=True):
    """A page of acts, newest first, before number `before`."""

    limit: Limit = 50
    before: int | None = None


METHODS: dict[str, type[Params]] = {
    "register": Register,
    "login": Login,
    "hello": NoParams,
    "unlock": Passphrase,
    "lock": Passphrase,
    "connect": Connect,
    "reconnect": Connect,
    "trust_relay": TrustRelay,
    "accept_identity": AcceptIdentity,
    "logout": NoParams,
    "whoami": NoParams,
    "status": NoParams,
    "send": Send,
    "outbox": NoParams,
    "retry": OneId,
    "cancel": OneId,
    "sync": Sync,
    "unread": NoParams,
    "mark_read": MarkRead,
    "rooms": Rooms,
    "who": MaybeConversation,
    "devices": NoParams,
    "revoke_device": Device,
    "set_room_password": RoomPassword,
    "set_role": Role,
    "conversations": NoParams,
    "history": History,
    "search": Search,
    "create_room": CreateRoom,
    "join_room": JoinRoom,
    "invite": Member,
    "remove_member": Member,
    "leave_room": Conversation,
    "members": Conversation,
    "safety_number": Name,
    "verify": Name,
    "unverify": Name,
    "kick": Act,
    "ban": Act,
    "unban": Act,
    "mute": Act,
    "unmute": Act,
    "promote": Act,
    "demote": Act,
    "announce": Announce,
    "users": Page,
    "audit": AuditPage,
}
