"""The extensions of our groups: capabilities, the relay as external sender, and the policy.

Never decides who may change them: engine/judge.py does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from crypto.errors import PeerError
from crypto.mls.credential import Credential, CredentialType
from crypto.mls.extensions import (
    Extension,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
    find_extension,
)
from engine.roster import Refused
from wire.errors import WireError
from wire.policy import POLICY_EXTENSION, JoinRule, Kind, Policy, RoomLock, decode_policy
from wire.policy import encode_policy as encode_policy

RELAY_IDENTITY: Final = b"sotto relay"
_REQUIRED: Final = RequiredCapabilities(
    extensions=(POLICY_EXTENSION,), credentials=(CredentialType.X509,)
)


def extensions_of(policy: Policy, *, relay_key: bytes) -> tuple[Extension, ...]:
    """Return the GroupContext extensions, in their one order; `relay_key`: 32 bytes."""
    relay = ExternalSender(relay_key, Credential.basic(RELAY_IDENTITY))
    return (
        _REQUIRED.extension(),
        external_senders_extension((relay,)),
        Extension(POLICY_EXTENSION, encode_policy(policy)),
    )


def policy_in(extensions: Sequence[Extension]) -> Policy:
    """Return the policy of a group; raise Refused J-8 when there is none that is valid."""
    data = find_extension(extensions, POLICY_EXTENSION)
    if data is None:
        raise Refused("J-8", "a group without a policy")
    try:
        return decode_policy(data)
    except WireError:
        raise Refused("J-8", "a policy that is not valid") from None


def check_extensions(extensions: Sequence[Extension], *, relay_key: bytes) -> Policy:
    """Return the policy; raise Refused J-19 unless everything else is as in all our groups."""
    policy = policy_in(extensions)
    if tuple(extensions) != extensions_of(policy, relay_key=relay_key):
        raise Refused("J-19", "the group's extensions are not ours")
    return policy


def direct_policy(roots: Sequence[bytes]) -> Policy:
    """Return the policy of the direct conversation of two roots (one: notes to self)."""
    return Policy(1, Kind.DIRECT, "", JoinRule.INVITE, tuple(sorted(set(roots))))


def room_policy(name: str, join: JoinRule, *, owner: bytes, lock: RoomLock | None) -> Policy:
    """Return the policy of a new room."""
    return Policy(1, Kind.ROOM, name, join, (owner,), lock=lock)


def closed(policy: Policy) -> Policy:
    """Return the policy with its lock closed to newcomers; unchanged without a lock."""
    if policy.lock is None:
        return policy
    return replace(policy, lock=replace(policy.lock, closed=True))


def peer_root(policy: Policy, own_root: bytes) -> bytes:
    """Return the other root of a direct conversation (one's own for notes to self)."""
    others = [root for root in policy.owners if root != own_root]
    if policy.kind is not Kind.DIRECT or len(others) > 1:
        raise PeerError("J-20", "not a direct conversation of this account")
    return others[0] if others else own_root
