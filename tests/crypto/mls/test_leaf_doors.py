"""Every way in which a leaf can be wrong, through every door by which a leaf comes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from crypto.errors import PeerError
from crypto.mls import joining
from crypto.mls.codec import vector
from crypto.mls.credential import Credential
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import Extension, RequiredCapabilities, encode_extensions
from crypto.mls.framing import member
from crypto.mls.group import Group, InvalidCommit
from crypto.mls.group_state import PendingProposal
from crypto.mls.key_package import SIGN_LABEL, KeyPackage
from crypto.mls.leaf_node import (
    LeafContent,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    sign_leaf,
)
from crypto.mls.proposal_rules import check_proposal
from crypto.mls.proposals import Add, Update
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1, Signer
from tests.crypto.mls.clients import (
    EXTENSION,
    REQUIRED,
    LyingSigner,
    add,
    by_value,
    config,
    forged,
    forged_from_outside,
    group_of,
    key_package,
    leaf_content,
    real_signer,
    signing_key,
    tree_of,
    welcomed,
)

EXTENSIONS = (
    Extension(EXTENSION, b"of the group"),
    RequiredCapabilities(extensions=(REQUIRED,), credentials=(1,)).extension(),
)
Members = dict[str, Group]


@dataclass(frozen=True)
class Wrong:
    """A leaf that breaks a rule, and what signs it (None: whoever it is)."""

    rule: str
    change: Callable[[LeafContent, Members], LeafContent]
    signer: Callable[[LeafContent], Signer] | None = None


def _capable(content: LeafContent, **changes: tuple[int, ...]) -> LeafContent:
    return replace(content, capabilities=replace(content.capabilities, **changes))


def _alices(members: Members) -> LeafNode:
    leaf = members["alice"].tree.leaf(0)
    assert leaf is not None
    return leaf


def _alices_key_again(members: Members) -> bytes:
    """Alice's encryption key in other bytes: X25519 itself ignores the highest bit."""
    key = _alices(members).encryption_key
    return key[:-1] + bytes((key[-1] | 0x80,))


WRONG = [
    Wrong(
        "VAL-7.3-2",
        lambda content, _: content,
        lambda content: LyingSigner(content.signature_key, signing_key("mallory")),
    ),
    Wrong("VAL-5.1.1-1", lambda content, _: replace(content, encryption_key=bytes(32))),
    Wrong("VAL-5.1.1-1", lambda content, _: replace(content, encryption_key=b"short")),
    Wrong(
        "VAL-5.1.1-1",
        lambda content, members: replace(content, encryption_key=_alices_key_again(members)),
    ),
    Wrong(
        "VAL-5.1.1-1",
        lambda content, _: replace(content, signature_key=bytes(32)),
        lambda content: LyingSigner(bytes(32), signing_key("mallory")),
    ),
    Wrong("VAL-7.2-2", lambda content, _: _capable(content, cipher_suites=(2, 3))),
    Wrong("VAL-7.2-2", lambda content, _: _capable(content, versions=())),
    Wrong("VAL-7.2-3", lambda content, _: _capable(content, credentials=(2,))),
    Wrong("VAL-7.3-3", lambda content, _: _capable(content, extensions=(EXTENSION,))),
    Wrong("VAL-7.3-4", lambda content, _: _of_unknown_type(content)),
    Wrong(
        "VAL-7.3-6",
        lambda content, _: replace(content, extensions=(Extension(0xF00D, b""),)),
    ),
    Wrong("VAL-13.4-2", lambda content, _: _capable(content, extensions=(REQUIRED,))),
    Wrong(
        "VAL-7.3-8",
        lambda content, members: replace(content, signature_key=_alices(members).signature_key),
        lambda _: signing_key("alice"),
    ),
    Wrong(
        "VAL-7.3-9",
        lambda content, members: replace(content, encryption_key=_alices(members).encryption_key),
    ),
]


def _of_unknown_type(content: LeafContent) -> LeafContent:
    return replace(
        _capable(content, credentials=(1, 2, 3)), credential=Credential(3, b"of another kind")
    )


def _members() -> Members:
    return group_of("alice", "bob", "carol", extensions=EXTENSIONS)


def _wrong_leaf(wrong: Wrong, members: Members, content: LeafContent) -> tuple[LeafContent, Signer]:
    changed = wrong.change(content, members)
    signer = signing_key(content.credential.content.decode())
    return changed, signer if wrong.signer is None else wrong.signer(changed)


def _wrong_key_package(wrong: Wrong, members: Members) -> KeyPackage:
    content = replace(leaf_content("dave", LeafNodeSource.KEY_PACKAGE), lifetime=Lifetime(0, 2**40))
    changed, signer = _wrong_leaf(wrong, members, content)
    leaf = sign_leaf(SUITE_1, changed, signer=signer)
    return signed_key_package(leaf, signer)


def signed_key_package(
    leaf: LeafNode, signer: Signer, extensions: Sequence[Extension] = ()
) -> KeyPackage:
    init_key = SUITE_1.generate_key_pair()[1]
    signed = b"\x00\x01\x00\x01" + vector(init_key) + leaf.encoded + encode_extensions(extensions)
    signature = SUITE_1.sign_with_label(signer, SIGN_LABEL, signed)
    return KeyPackage.decode(signed + vector(signature))


def _refused(group: Group, commit: OwnCommit[Group]) -> str:
    with pytest.raises(InvalidCommit) as refused:
        group.stage(commit.message)
    return refused.value.code


def add_door(wrong: Wrong, members: Members) -> str:
    add = Add(_wrong_key_package(wrong, members))
    alice = members["alice"]
    if wrong.rule == "VAL-5.1.1-1":  # nobody could welcome somebody with such a key
        with pytest.raises(PeerError) as refused:
            alice.draft([add])
        return refused.value.code
    return _refused(members["carol"], forged(alice, "alice", by_value(alice, add)))


def update_door(wrong: Wrong, members: Members) -> str:
    content = leaf_content("bob", LeafNodeSource.UPDATE)
    changed, signer = _wrong_leaf(wrong, members, content)
    leaf = sign_leaf(SUITE_1, changed, signer=signer, group_id=b"g" * 32, leaf_index=1)
    if wrong.rule == "VAL-5.1.1-1":  # nobody could seal a path to such a key
        with pytest.raises(PeerError) as refused:
            check_proposal(members["carol"].tree, members["carol"].context, Update(leaf), member(1))
        return refused.value.code
    pending = PendingProposal(b"reference", member(1), Update(leaf), b"")
    alice, carol = (with_pending(members[name], pending) for name in ("alice", "carol"))
    resolved = by_value(members["bob"], Update(leaf))[0]
    return _refused(carol, forged(alice, "alice", [replace(resolved, reference=b"reference")]))


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
    """Bob's wrong leaf got into the tree that alice then signs for somebody from outside."""
    changed, signer = _wrong_leaf(wrong, members, leaf_content("bob"))
    commit = forged(members["bob"], "bob", content=changed, leaf_signer=signer)
    info = commit.group.signed_group_info(real_signer("bob", changed, signer))
    with pytest.raises(PeerError) as refused:
        joining.external_draft(Group, info, tree_of(commit.group), config=config("dave"), psks={})
    return refused.value.code


DOORS = [add_door, update_door, path_door, outside_door, tree_door]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.rule)
def test_a34_each_invalid_leaf_is_refused_at_each_door(
    wrong: Wrong, door: Callable[[Wrong, Members], str]
) -> None:
    refused = door(wrong, _members())
    expected = {wrong.rule}
    if wrong.rule == "VAL-7.3-9" and door in (path_door, outside_door):
        expected = {"VAL-12.4.2-2"}  # the rule for the keys of a path comes first
    if wrong.rule == "VAL-5.1.1-1" and door in (outside_door, tree_door):
        expected.add("bad_public_key")  # the signature of the message around it comes first
    assert refused in expected


@pytest.mark.parametrize("door", DOORS[:4], ids=lambda door: door.__name__)
def test_a34_a_leaf_made_for_something_else_is_refused(
    door: Callable[[Wrong, Members], str],
) -> None:
    is_commits = door in (path_door, outside_door)
    other = LeafNodeSource.UPDATE if is_commits else LeafNodeSource.COMMIT
    wrong = Wrong("VAL-7.3-7", lambda content, _: replace(content, source=other, lifetime=None))
    assert door(wrong, _members()) == "VAL-7.3-7"


@pytest.mark.parametrize("door", [update_door, path_door], ids=lambda door: door.__name__)
def test_a_leaf_that_keeps_its_encryption_key_is_refused(
    door: Callable[[Wrong, Members], str],
) -> None:
    def keeping(content: LeafContent, members: Members) -> LeafContent:
        leaf = members["alice"].tree.leaf(1)
        assert leaf is not None
        return replace(content, encryption_key=leaf.encryption_key)

    assert door(Wrong("VAL-7.3-10", keeping), _members()) in {"VAL-7.3-10", "VAL-12.4.2-2"}


def test_leaves_that_break_no_rule_pass_each_door() -> None:
    fine = Wrong("", lambda content, _: content)
    for door in DOORS:
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            door(fine, _members())


def test_a_welcome_with_a_wrong_leaf_in_its_tree_is_refused() -> None:
    members = _members()
    alice, own = members["alice"], key_package("erin")
    wrong = Wrong("VAL-7.3-2", WRONG[0].change, WRONG[0].signer)
    bad = Add(_wrong_key_package(wrong, members))
    commit = forged(alice, "alice", by_value(alice, add(own), bad))
    with pytest.raises(PeerError) as refused:
        welcomed(commit, own)
    assert refused.value.code == "VAL-7.3-2"
