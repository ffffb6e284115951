"""The doors by which a leaf comes into a group, each made to meet a leaf that breaks a rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.mls import joining
from crypto.mls.codec import vector
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import Extension, encode_extensions
from crypto.mls.framing import ContentType, member
from crypto.mls.group import Group, InvalidCommit
from crypto.mls.group_state import PendingProposal
from crypto.mls.key_package import SIGN_LABEL, KeyPackage, validate
from crypto.mls.leaf_node import (
    LeafContent,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    sign_leaf,
)
from crypto.mls.proposals import Add, Proposal, Update, encode_proposal
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1, Signer
from tests.crypto.mls.clients import (
    add,
    by_value,
    config,
    forged,
    forged_from_outside,
    key_package,
    leaf_content,
    real_signer,
    signing_key,
    tree_of,
    welcomed,
)
from tests.crypto.mls.lying import sealed, signed
from tests.crypto.mls.refusing import refusal

GROUP_ID = b"g" * 32
BOBS_LEAF = 1
Members = dict[str, Group]


@dataclass(frozen=True)
class Wrong:
    """A leaf that breaks a rule, and what signs it (None: whoever it is).

    `needs_group`: alone it is right, it does not fit among the others. `needs_place`: what is wrong
    is the group or leaf that it was signed for, which a KeyPackage does not name.
    """

    rule: str
    change: Callable[[LeafContent, Members], LeafContent]
    signer: Callable[[LeafContent], Signer] | None = None
    needs_group: bool = False
    needs_place: bool = False


class Misplacing:
    """Signs what it is given after a change: for another group, another leaf, or not whole."""

    def __init__(self, key: SigningKey, change: Callable[[bytes], bytes], cut: int = 64) -> None:
        self.public = key.public
        self._key, self._change, self._cut = key, change, cut

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(self._change(message))[: self._cut]


def own_key(content: LeafContent) -> SigningKey:
    return signing_key(content.credential.content.decode())


FINE = Wrong("", lambda content, _: content)


def _signed_leaf(wrong: Wrong, members: Members, content: LeafContent) -> tuple[LeafNode, Signer]:
    changed, signer = _wrong_leaf(wrong, members, content)
    leaf = sign_leaf(SUITE_1, changed, signer=signer, group_id=GROUP_ID, leaf_index=BOBS_LEAF)
    return leaf, signer


def _wrong_leaf(wrong: Wrong, members: Members, content: LeafContent) -> tuple[LeafContent, Signer]:
    changed = wrong.change(content, members)
    return changed, own_key(content) if wrong.signer is None else wrong.signer(changed)


def _wrong_key_package(wrong: Wrong, members: Members) -> KeyPackage:
    content = replace(leaf_content("dave", LeafNodeSource.KEY_PACKAGE), lifetime=Lifetime(0, 2**40))
    return signed_key_package(*_signed_leaf(wrong, members, content))


def signed_key_package(
    leaf: LeafNode, signer: Signer, extensions: Sequence[Extension] = ()
) -> KeyPackage:
    init_key = SUITE_1.generate_key_pair()[1]
    signed = b"\x00\x01\x00\x01" + vector(init_key) + leaf.encoded + encode_extensions(extensions)
    signature = SUITE_1.sign_with_label(signer, SIGN_LABEL, signed)
    return KeyPackage.decode(signed + vector(signature))


def _wrong_update(wrong: Wrong, members: Members) -> Update:
    return Update(_signed_leaf(wrong, members, leaf_content("bob", LeafNodeSource.UPDATE))[0])


def _refused(group: Group, commit: OwnCommit[Group]) -> str:
    return refusal(group, lambda member: member.stage(commit.message), InvalidCommit)


def _not_taken(members: Members, proposal: Proposal) -> str:
    """Bob proposes it, carol refuses."""
    bob, carol, kind = members["bob"], members["carol"], ContentType.PROPOSAL
    message = signed(bob, kind, encode_proposal(proposal), signer=signing_key("bob"))
    return refusal(carol, lambda group: group.receive_proposal(sealed(bob, message)))


# The doors, each the code with which it stays shut.


def key_package_door(wrong: Wrong, members: Members) -> str:
    with pytest.raises(PeerError) as refused:
        validate(_wrong_key_package(wrong, members), now_s=1, max_lifetime_s=2**41)
    return refused.value.code


def proposed_add_door(wrong: Wrong, members: Members) -> str:
    return _not_taken(members, Add(_wrong_key_package(wrong, members)))


def add_door(wrong: Wrong, members: Members) -> str:
    add = Add(_wrong_key_package(wrong, members))
    alice = members["alice"]
    with pytest.raises(PeerError) as refused:
        alice.draft([add])
    code = _refused(members["carol"], forged(alice, "alice", by_value(alice, add)))
    assert refused.value.code == code
    return code


def proposed_update_door(wrong: Wrong, members: Members) -> str:
    return _not_taken(members, _wrong_update(wrong, members))


def update_door(wrong: Wrong, members: Members) -> str:
    update = applied = _wrong_update(wrong, members)
    if wrong.rule == "VAL-5.1.1-1":  # nothing here seals a path to such a key; others may
        applied = _wrong_update(FINE, members)
    carol = with_pending(
        members["carol"], PendingProposal(b"reference", member(BOBS_LEAF), update, b"")
    )
    resolved = replace(by_value(members["bob"], applied)[0], reference=b"reference")
    return _refused(carol, forged(members["alice"], "alice", [resolved]))


def path_door(wrong: Wrong, members: Members) -> str:
    changed, signer = _wrong_leaf(wrong, members, leaf_content("bob"))
    return _refused(
        members["carol"], forged(members["bob"], "bob", content=changed, leaf_signer=signer)
    )


def outside_door(wrong: Wrong, members: Members) -> str:
    alice = members["alice"]
    draft = joining.external_draft(
        Group,
        alice.signed_group_info(signing_key("alice")),
        tree_of(alice),
        config=config("dave"),
        psks={},
    )
    changed, signer = _wrong_leaf(wrong, members, leaf_content("dave"))
    init = draft.resolved[0].proposal
    commit = forged_from_outside(draft.base, "dave", [init], content=changed, leaf_signer=signer)
    return _refused(members["carol"], commit)


def tree_door(wrong: Wrong, members: Members) -> str:
    """Bob's wrong leaf got into the tree that he then signs for somebody from outside."""
    changed, signer = _wrong_leaf(wrong, members, leaf_content("bob"))
    commit = forged(members["bob"], "bob", content=changed, leaf_signer=signer)
    info = commit.group.signed_group_info(real_signer("bob", changed, signer))
    with pytest.raises(PeerError) as refused:
        joining.external_draft(Group, info, tree_of(commit.group), config=config("dave"), psks={})
    return refused.value.code


def welcome_door(wrong: Wrong, members: Members) -> str:
    """Alice adds erin together with a wrong leaf, which erin finds in her tree."""
    alice, own = members["alice"], key_package("erin")
    bad = Add(_wrong_key_package(wrong, members))
    commit = forged(alice, "alice", by_value(alice, add(own), bad))
    with pytest.raises(PeerError) as refused:
        welcomed(commit, own)
    return refused.value.code


OF_PACKAGES = [key_package_door, proposed_add_door, add_door, welcome_door]
OF_MEMBERS = [proposed_update_door, update_door, path_door, outside_door, tree_door]
DOORS = [*OF_PACKAGES, *OF_MEMBERS]
Door = Callable[[Wrong, Members], str]
