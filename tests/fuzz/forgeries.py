"""Messages of hostile members and newcomers: wrong inside, and signed, tagged and sealed right.

Every key of every member is here, so nothing that a fuzzer changes stops at a signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import TypeVar, cast

from crypto.errors import PeerError
from crypto.mls.commit import UpdatePath, decode_commit
from crypto.mls.framing import WireFormat, member
from crypto.mls.group import Group, OwnCommit, external_draft
from crypto.mls.key_package import SIGN_LABEL, KeyPackage
from crypto.mls.leaf_node import LeafContent, LeafNode, LeafNodeSource, sign_leaf
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    UnknownProposal,
    Update,
)
from crypto.mls.psk import ExternalPskId, PskId, ResumptionPskId, ResumptionUsage
from crypto.mls.psk_lookup import combined_psks
from crypto.mls.suite import SUITE_1, Signer
from crypto.mls.tree_node import Branch, Subtree
from tests.crypto.mls.clients import (
    RELAY,
    LyingSigner,
    config,
    forged,
    forged_from_outside,
    leaf_content,
    signing_key,
)
from tests.fuzz.choices import Choices, encoded_anew, mutated, signed_part
from tests.fuzz.world import NAMES, PSK_ID, PSKS, seeded, world

T = TypeVar("T")

_SMALL_ORDER = b"\x01" + bytes(31)
_MOST_PROPOSALS = 4


@cache
def _signers() -> dict[bytes, Signer]:
    signers: dict[bytes, Signer] = {signing_key(name).public: signing_key(name) for name in NAMES}
    return signers | {RELAY.public: RELAY}


@cache
def known_bytes() -> tuple[bytes, ...]:
    """What a hostile member would put where it does not belong."""
    alice = world().members["alice"]
    keys = [
        key for _, leaf in alice.tree.leaves() for key in (leaf.signature_key, leaf.encryption_key)
    ]
    parents = [one.key for one in subtrees(alice.tree.root) if one.key is not None]
    pending = [one.reference for one in world().pending["alice"].pending_proposals]
    return (*keys, *parents, *pending, alice.group_id, alice.tree_hash, _SMALL_ORDER, PSK_ID)


def subtrees(subtree: Subtree) -> Iterator[Subtree]:
    """Every node from left to right, as the ratchet_tree extension has them."""
    if isinstance(subtree, Branch):
        yield from subtrees(subtree.left)
        yield subtree
        yield from subtrees(subtree.right)
    else:
        yield subtree


def name_of(group: Group) -> str:
    """Whose state it is."""
    own = group.tree.leaf(group.own_leaf)
    assert own is not None
    return own.credential.identity.decode()


def signer_of(public: bytes) -> Signer:
    """Who signs for that key: its owner, or somebody who only claims to."""
    return _signers().get(public) or LyingSigner(public, RELAY)


def signed_anew(value: T, group_id: bytes, leaf_index: int) -> T:
    """A leaf, KeyPackage or what holds one, signed by whoever has the key that stands in it."""
    match value:
        case LeafNode(content=content):
            signer = signer_of(content.signature_key)
            leaf = sign_leaf(
                SUITE_1, content, signer=signer, group_id=group_id, leaf_index=leaf_index
            )
            return cast(T, leaf)
        case KeyPackage():
            package = replace(value, leaf_node=signed_anew(value.leaf_node, group_id, leaf_index))
            signer = signer_of(package.leaf_node.signature_key)
            signature = SUITE_1.sign_with_label(signer, SIGN_LABEL, signed_part(package))
            return cast(T, encoded_anew(replace(package, signature=signature)))
        case Add(key_package):
            return cast(T, Add(signed_anew(key_package, group_id, leaf_index)))
        case Update(leaf_node):
            return cast(T, Update(signed_anew(leaf_node, group_id, leaf_index)))
        case UpdatePath():
            leaf = signed_anew(value.leaf_node, group_id, leaf_index)
            return cast(T, replace(value, leaf_node=leaf))
    return value


def changed(value: T, choices: Choices, group: Group, leaf_index: int) -> T:
    """The value as it is, or mutated up to three times and mostly signed again."""
    for _ in range(choices.below(4)):
        value = mutated(value, choices)
    return value if choices.rarely() else signed_anew(value, group.group_id, leaf_index)


@cache
def _catalogue(own_leaf: int) -> tuple[Proposal, ...]:
    """One proposal of each kind, as that member could make it."""
    rng, alice = seeded(own_leaf + 100), world().members["alice"]
    name = name_of(next(g for g in world().members.values() if g.own_leaf == own_leaf))
    content = replace(
        leaf_content(name, LeafNodeSource.UPDATE),
        encryption_key=SUITE_1.generate_key_pair(random=rng)[1],
    )
    update = sign_leaf(
        SUITE_1,
        content,
        signer=signing_key(name),
        group_id=alice.group_id,
        leaf_index=own_leaf,
    )
    resumption = ResumptionPskId(ResumptionUsage.APPLICATION, alice.group_id, 3, bytes(32))
    return (
        Add(KeyPackage.decode(world().newcomers["grace"].encoded)),
        Update(update),
        Remove(3),
        PreSharedKey(ExternalPskId(PSK_ID, bytes(32))),
        PreSharedKey(resumption),
        ReInit(b"new", 1, 1, ()),
        ExternalInit(bytes(32)),
        GroupContextExtensions(alice.extensions),
        UnknownProposal(0xF00D, b"unknown"),
        Remove(1),
    )


def a_proposal(group: Group, choices: Choices) -> Proposal:
    """Some proposal of this member, right or wrong."""
    wanted = choices.one_of(_catalogue(group.own_leaf))
    return changed(wanted, choices, group, group.own_leaf)


def _resolved(group: Group, choices: Choices) -> list[ResolvedProposal]:
    resolved = [
        ResolvedProposal(one.proposal, one.sender, one.reference, one.authenticated_data)
        for one in group.pending_proposals
        if choices.yes()
    ]
    for _ in range(choices.below(_MOST_PROPOSALS)):
        resolved.append(ResolvedProposal(a_proposal(group, choices), member(group.own_leaf)))
    return resolved


def psk_secret_of(psks: Iterable[PskId], *states: Group) -> bytes:
    """What these keys give, or what none gives when one is unknown."""
    try:
        return combined_psks(SUITE_1, psks, PSKS, states=states)
    except PeerError:
        return SUITE_1.zero


def _psks(proposals: Iterable[Proposal]) -> list[PskId]:
    return [one.psk for one in proposals if isinstance(one, PreSharedKey)]


def _path_leaf(name: str, choices: Choices) -> LeafContent:
    public = SUITE_1.generate_key_pair(random=seeded(choices.byte()))[1]
    content = replace(leaf_content(name), encryption_key=public)
    for _ in range(choices.below(3)):
        content = mutated(content, choices)
    return content


def commit(members: dict[str, Group], name: str, choices: Choices) -> OwnCommit[Group]:
    """A member's Commit of right or wrong proposals, with a path that is right or spoilt."""
    group = members[name]
    resolved = _resolved(group, choices)
    content = _path_leaf(name, choices)
    spoils, with_path = choices.rarely(), not choices.rarely()

    def spoil(path: UpdatePath) -> UpdatePath:
        return changed(path, choices, group, group.own_leaf) if spoils else path

    return forged(
        group,
        name,
        resolved,
        with_path=with_path,
        content=content,
        leaf_signer=signer_of(content.signature_key),
        spoil=spoil,
        psk_secret=psk_secret_of(_psks(one.proposal for one in resolved), group),
        seals_other_secrets=choices.rarely(),
        wire_format=choices.one_of((WireFormat.PRIVATE_MESSAGE, WireFormat.PUBLIC_MESSAGE)),
        random=seeded(choices.byte()),
    )


def commit_body(body: bytes, group: Group, choices: Choices) -> bytes:
    """A Commit with more or other proposals in it, even such as nothing can be applied with."""
    made = decode_commit(body)
    more = tuple(a_proposal(group, choices) for _ in range(choices.below(_MOST_PROPOSALS)))
    made = replace(made, proposals=(*made.proposals, *more))
    for _ in range(choices.below(3)):
        made = mutated(made, choices)
    return made.encode()


def commit_from_outside(group: Group, choices: Choices) -> OwnCommit[Group]:
    """A newcomer's Commit on an epoch, of right or wrong proposals."""
    rng = seeded(choices.byte())
    info = group.signed_group_info(signing_key(name_of(group)))
    right = external_draft(
        info,
        group.tree,
        config=config("grace"),
        remove_leaf=choices.one_of((None, 3)),
        psk_ids=choices.one_of(((), (PSK_ID,))),
        psks=PSKS,
        random=rng,
    )
    proposals = [one.proposal for one in right.resolved]
    for _ in range(choices.below(3)):
        proposals = list(mutated(tuple(proposals), choices))
    if choices.yes():
        proposals.append(a_proposal(group, choices))
    content = _path_leaf("grace", choices)
    spoils = choices.rarely()

    def spoil(path: UpdatePath) -> UpdatePath:
        return changed(path, choices, group, right.own_leaf) if spoils else path

    return forged_from_outside(
        right.base,
        "grace",
        proposals,
        content=content,
        leaf_signer=signer_of(content.signature_key),
        spoil=spoil,
        psk_secret=psk_secret_of(_psks(proposals)),
        random=rng,
    )
