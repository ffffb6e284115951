"""The policy of a conversation: a private-use GroupContext extension that all members share.

Read by the relay from the public GroupInfo and by the members from their group; one codec, one
validator for both. Never decides: the rules over it are in engine/judge and relay/conversations.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from wire.entry import Id, Key
from wire.errors import Code, WireError

POLICY_EXTENSION: Final = 0xF501  # RFC 9420 17.3: 0xF000-0xFFFF are for private use
ROOM_PSK_EXTENSION: Final = 0xF502  # only inside a Welcome's encrypted GroupInfo
MAX_POLICY_BYTES: Final = 32 << 10
MAX_ROLES: Final = 256


class Kind(StrEnum):
    """What a conversation is to people."""

    LOBBY = "lobby"
    ROOM = "room"
    DIRECT = "direct"


class JoinRule(StrEnum):
    """Who may join from outside, besides the devices of accounts that are members."""

    OPEN = "open"
    PASSWORD = "password"  # noqa: S105  (the rule's name)
    INVITE = "invite"


class RoomLock(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The password gate of a room: which PSK newcomers must prove, and with which salt it is made.

    `closed`: somebody was removed since the password was set; nobody joins until an owner sets a
    new one, under a new `psk_id`.
    """

    psk_id: Id
    salt: Id
    closed: bool = False


class Policy(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Kind, name, join rule, owners and admins (root identities, 32 bytes each, sorted).

    A direct conversation has an empty name and its two roots as owners (one, for notes to self); a
    lobby has no owner.
    """

    version: Annotated[int, Meta(ge=1, le=1)]
    kind: Kind
    name: Annotated[str, Meta(max_length=64)]
    join: JoinRule
    owners: Annotated[tuple[Key, ...], Meta(max_length=MAX_ROLES)]
    admins: Annotated[tuple[Key, ...], Meta(max_length=MAX_ROLES)] = ()
    lock: RoomLock | None = None


LOBBY_NAME: Final = "lobby"
LOBBY_POLICY: Final = Policy(1, Kind.LOBBY, LOBBY_NAME, JoinRule.OPEN, ())

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Policy)


def encode_policy(policy: Policy) -> bytes:
    """Return the extension's data; raise WireError(bad_request) for a policy that is not valid."""
    _check(policy)
    return _encoder.encode(policy)


def decode_policy(raw: bytes) -> Policy:
    """Return the policy; raise WireError(bad_request) unless `raw` is a valid one's only form."""
    if len(raw) > MAX_POLICY_BYTES:
        raise WireError(Code.BAD_REQUEST, "The conversation's policy is too large.")
    try:
        policy = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WireError(Code.BAD_REQUEST, "The conversation's policy is malformed.") from None
    if _encoder.encode(policy) != raw:
        raise WireError(Code.BAD_REQUEST, "The conversation's policy is not in its one form.")
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    for roots in (policy.owners, policy.admins):
        if list(roots) != sorted(set(roots)):
            raise WireError(Code.BAD_REQUEST, "The policy's roles are not sorted and distinct.")
    if not _SHAPE[policy.kind](policy):
        raise WireError(Code.BAD_REQUEST, "The policy does not fit its kind.")


def _is_direct(policy: Policy) -> bool:
    return (
        not policy.name
        and not policy.admins
        and policy.lock is None
        and len(policy.owners) in (1, 2)
        and policy.join is JoinRule.INVITE
    )


def _is_room(policy: Policy) -> bool:
    locked = policy.lock is not None
    return (
        bool(policy.name) and bool(policy.owners) and locked == (policy.join is JoinRule.PASSWORD)
    )


_SHAPE = {
    Kind.LOBBY: lambda policy: policy == LOBBY_POLICY,
    Kind.DIRECT: _is_direct,
    Kind.ROOM: _is_room,
}
