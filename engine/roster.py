"""Who sits at which leaf: what the members' certificate chains prove, and rules over all of them.

Never looks at local pins or a clock: what it says of a tree is the same on every device.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from crypto.errors import PeerError
from crypto.identity import verify_chain
from crypto.mls.credential import Credential, CredentialType
from wire.entry import Effect, EffectKind
from wire.errors import WireError
from wire.names import canonical_name


class Refused(PeerError):
    """A rule of a conversation is broken: `code` is the rule's id (J-1 ...). The same for all."""


class MemberLike(Protocol):
    """What is read of a leaf (crypto.mls.group.Member)."""

    @property
    def leaf_index(self) -> int:
        """Its place."""

    @property
    def credential(self) -> Credential:
        """Whose it is."""

    @property
    def signature_key(self) -> bytes:
        """32 bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """A leaf and whose it is. `root`, `key_hash`: 32 bytes; `device`: 16 bytes."""

    leaf: int
    account: str
    display: str
    root: bytes
    device: bytes
    key_hash: bytes
    chain: tuple[bytes, ...] = field(repr=False)

    def effect(self, kind: EffectKind) -> Effect:
        """What a commit that adds or removes this leaf declares."""
        return Effect(kind, self.account, self.device, self.leaf, self.key_hash)


def place_of(member: MemberLike) -> Place:
    """Return whose a leaf is; raise Refused J-2 unless its chain proves it."""
    return _place(member.leaf_index, member.credential, member.signature_key)


@lru_cache(maxsize=8192)
def _place(leaf: int, credential: Credential, signature_key: bytes) -> Place:
    if credential.type != CredentialType.X509:
        raise Refused("J-2", "a leaf without a certificate chain")
    chain = credential.certificates
    try:
        identity = verify_chain(chain, device_key=signature_key)
        canonical = canonical_name(identity.display)
    except (PeerError, WireError):
        raise Refused("J-2", "a leaf's chain does not verify") from None
    if canonical != identity.account:
        raise Refused("J-2", "a certificate's account is not the form of its name")
    return Place(
        leaf,
        identity.account,
        identity.display,
        root=identity.root_identity,
        device=identity.device_id,
        key_hash=sha256(signature_key).digest(),
        chain=chain,
    )


@dataclass(frozen=True, slots=True)
class Roster:
    """The places of an epoch by leaf. Never changed in place."""

    places: Mapping[int, Place]

    @classmethod
    def of(cls, members: Iterable[MemberLike]) -> Roster:
        """Return the roster of a whole tree; raise Refused J-2, J-3 or J-4."""
        return cls({}).changed((), map(place_of, members))

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places.values())

    def at(self, leaf: int) -> Place | None:
        """Return who sits at a leaf."""
        return self.places.get(leaf)

    def of_device(self, device: bytes) -> Place | None:
        """Return where a device sits."""
        return next((place for place in self if place.device == device), None)

    def of_account(self, account: str) -> tuple[Place, ...]:
        """Return the places of an account's devices."""
        return tuple(place for place in self if place.account == account)

    def of_root(self, root: bytes) -> tuple[Place, ...]:
        """Return the places of a root's devices."""
        return tuple(place for place in self if place.root == root)

    def has_root(self, root: bytes) -> bool:
        """Tell whether a root has a device here."""
        return any(place.root == root for place in self)

    def changed(self, removed: Iterable[int], added: Iterable[Place]) -> Roster:
        """Return the next roster.

        Raises Refused J-3 (one root a name, one name a root) or J-4 (one leaf a device).
        """
        places = dict(self.places)
        for leaf in removed:
            places.pop(leaf, None)
        newcomers = tuple(added)
        places.update((place.leaf, place) for place in newcomers)
        if newcomers:
            _check_unique(places.values())
        return Roster(places)


def _check_unique(places: Iterable[Place]) -> None:
    roots: dict[str, bytes] = {}
    names: dict[bytes, str] = {}
    devices: set[bytes] = set()
    for place in places:
        if roots.setdefault(place.account, place.root) != place.root:
            raise Refused("J-3", "two roots under one account name")
        if names.setdefault(place.root, place.account) != place.account:
            raise Refused("J-3", "one root under two account names")
        if place.device in devices:
            raise Refused("J-4", "a device at two leaves")
        devices.add(place.device)


def effects_of(changes: Iterable[tuple[EffectKind, Place]]) -> tuple[Effect, ...]:
    """Return what a commit with these changes declares: removals first, each by leaf."""
    effects = [place.effect(kind) for kind, place in changes]
    return tuple(sorted(effects, key=_removals_first))


def _removals_first(effect: Effect) -> tuple[bool, int]:
    return (effect.kind is EffectKind.ADDED, effect.leaf)
