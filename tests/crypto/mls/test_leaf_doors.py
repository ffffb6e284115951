"""Every way in which a leaf can be wrong, through every door by which a leaf comes in."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from crypto.mls.codec import u32
from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension, RequiredCapabilities
from crypto.mls.key_package import LeafConfig
from crypto.mls.leaf_node import (
    LeafContent,
    LeafNode,
    LeafNodeSource,
    Lifetime,
)
from crypto.mls.suite import Signer
from tests.crypto.mls.clients import (
    EXTENSION,
    REQUIRED,
    LyingSigner,
    config,
    group_of,
    signing_key,
)
from tests.crypto.mls.doors import (
    BOBS_LEAF,
    DOORS,
    FINE,
    GROUP_ID,
    OF_PACKAGES,
    Door,
    Members,
    Misplacing,
    Wrong,
    key_package_door,
    outside_door,
    own_key,
    path_door,
    proposed_add_door,
    proposed_update_door,
    tree_door,
    update_door,
)

EXTENSIONS = (
    Extension(EXTENSION, b"of the group"),
    RequiredCapabilities(extensions=(REQUIRED,), credentials=(1, 2)).extension(),
)


def _misplaced(change: Callable[[bytes], bytes], cut: int = 64) -> Callable[[LeafContent], Signer]:
    return lambda content: Misplacing(own_key(content), change, cut)


def _capable(content: LeafContent, **changes: tuple[int, ...]) -> LeafContent:
    return replace(content, capabilities=replace(content.capabilities, **changes))


def _doras(members: Members) -> LeafNode:
    leaf = members["dora"].tree.leaf(3)
    assert leaf is not None
    return leaf


def _doras_key_again(members: Members) -> bytes:
    """Dora's encryption key in other bytes: X25519 itself ignores the highest bit."""
    key = _doras(members).encryption_key
    return key[:-1] + bytes((key[-1] | 0x80,))


def _parents_key(members: Members) -> bytes:
    """The key of the parent above carol and dora, which no Commit of others replaces."""
    return members["dora"].tree.keys_above(3)[1]


def _claiming(key: bytes) -> Callable[[LeafContent], Signer]:
    return lambda _: LyingSigner(key, signing_key("mallory"))


WRONG = [
    Wrong(
        "VAL-7.3-2",
        lambda content, _: content,
        lambda content: LyingSigner(content.signature_key, signing_key("mallory")),
    ),
    Wrong("VAL-7.3-2", lambda content, _: content, _misplaced(bytes, cut=63)),
    Wrong("VAL-7.3-2", lambda content, _: content, _misplaced(bytes, cut=0)),
    Wrong("VAL-7.3-2", lambda content, _: content, _misplaced(lambda said: said[:-1] + b"?")),
    Wrong(
        "VAL-7.3-2",
        lambda content, _: content,
        _misplaced(lambda said: said.replace(GROUP_ID, b"h" * 32)),
        needs_place=True,
    ),
    Wrong(
        "VAL-7.3-2",
        lambda content, _: content,
        _misplaced(lambda said: said[:-4] + u32(2)),
        needs_place=True,
    ),
    Wrong("VAL-5.1.1-1", lambda content, _: replace(content, encryption_key=bytes(32))),
    Wrong("VAL-5.1.1-1", lambda content, _: replace(content, encryption_key=b"short")),
    Wrong("VAL-5.1.1-1", lambda content, _: replace(content, encryption_key=b"")),
    Wrong(
        "VAL-5.1.1-1",
        lambda content, members: replace(content, encryption_key=_doras_key_again(members)),
    ),
    Wrong(
        "VAL-5.1.1-1",
        lambda content, _: replace(content, signature_key=bytes(32)),
        _claiming(bytes(32)),
    ),
    Wrong(
        "VAL-5.1.1-1",
        lambda content, _: replace(content, signature_key=b"short"),
        _claiming(b"short"),
    ),
    Wrong("VAL-7.2-2", lambda content, _: _capable(content, versions=())),
    Wrong("VAL-7.2-2", lambda content, _: _capable(content, versions=(2,))),
    Wrong("VAL-7.2-3", lambda content, _: _capable(content, credentials=(2,))),
    Wrong("VAL-7.2-3", lambda content, _: _capable(content, credentials=())),
    Wrong(
        "VAL-7.3-3",
        lambda content, _: _capable(content, extensions=(EXTENSION,)),
        needs_group=True,
    ),
    Wrong("VAL-7.3-3", lambda content, _: _capable(content, credentials=(1,)), needs_group=True),
    Wrong("VAL-7.3-4", lambda content, _: _of_unknown_type(content), needs_group=True),
    Wrong(
        "VAL-7.3-6",
        lambda content, _: replace(content, extensions=(Extension(0xF00D, b""),)),
    ),
    Wrong(
        "VAL-13.4-2",
        lambda content, _: _capable(content, extensions=(REQUIRED,)),
        needs_group=True,
    ),
    Wrong(
        "VAL-7.3-8",
        lambda content, members: replace(content, signature_key=_doras(members).signature_key),
        lambda _: signing_key("dora"),
        needs_group=True,
    ),
    Wrong(
        "VAL-7.3-9",
        lambda content, members: replace(content, encryption_key=_doras(members).encryption_key),
        needs_group=True,
    ),
    Wrong(
        "VAL-12.4.3.1-5",
        lambda content, members: replace(content, encryption_key=_parents_key(members)),
        needs_group=True,
    ),
]


def _of_unknown_type(content: LeafContent) -> LeafContent:
    return replace(
        _capable(content, credentials=(1, 2, 3)), credential=Credential(3, b"of another kind")
    )


@cache
def _members() -> Members:
    """Four in a group, after a Commit of carol's: nobody changes them, states are values."""
    members = group_of("alice", "bob", "carol", "dora", extensions=EXTENSIONS)
    return _after_commit(members, "carol")


def _after_commit(members: Members, name: str, own: LeafConfig | None = None) -> Members:
    commit = members[name].draft(config=own).finish(signer=signing_key(name))
    after = {name: commit.group}
    for other in members.keys() - {name}:
        staged = members[other].stage(commit.message).group
        assert staged is not None
        after[other] = staged
    return after


WITHOUT_GROUP = [key_package_door, proposed_add_door, proposed_update_door]
MATRIX = [
    (wrong, door)
    for wrong in WRONG
    for door in DOORS
    if not (wrong.needs_group and door in WITHOUT_GROUP)
    if not (wrong.needs_place and door in OF_PACKAGES)
]


@pytest.mark.parametrize(
    ("wrong", "door"), MATRIX, ids=[f"{wrong.rule}-{door.__name__}" for wrong, door in MATRIX]
)
def test_a34_each_invalid_leaf_is_refused_at_each_door(wrong: Wrong, door: Door) -> None:
    refused = door(wrong, _members())
    expected = {wrong.rule}
    is_path = door in (path_door, outside_door)
    if wrong.rule in {"VAL-7.3-9", "VAL-12.4.3.1-5"} and is_path:
        expected = {"VAL-12.4.2-2"}  # the rule for the keys of a path comes first
    elif wrong.rule in {"VAL-7.3-9", "VAL-12.4.3.1-5"}:
        expected = {"VAL-7.3-9", "VAL-12.4.3.1-5"}  # whichever of both nodes is met second
    if wrong.rule == "VAL-5.1.1-1" and door in (outside_door, tree_door):
        expected.add("bad_public_key")  # the signature of the message around it comes first
    assert refused in expected


MADE_FOR = {
    **dict.fromkeys(OF_PACKAGES[:3], LeafNodeSource.KEY_PACKAGE),
    **dict.fromkeys([proposed_update_door, update_door], LeafNodeSource.UPDATE),
    **dict.fromkeys([path_door, outside_door], LeafNodeSource.COMMIT),
}


@pytest.mark.parametrize("door", MADE_FOR, ids=lambda door: door.__name__)
@pytest.mark.parametrize("source", list(LeafNodeSource), ids=lambda source: source.name)
def test_a34_a_leaf_made_for_something_else_is_refused(source: LeafNodeSource, door: Door) -> None:
    if source is MADE_FOR[door]:
        return
    lifetime = Lifetime(0, 2**40) if source is LeafNodeSource.KEY_PACKAGE else None

    def change(content: LeafContent, _: Members) -> LeafContent:
        return replace(content, source=source, lifetime=lifetime)

    assert door(Wrong("", change), _members()) == "VAL-7.3-7"


KEEPING = [proposed_update_door, update_door, path_door]


@pytest.mark.parametrize("door", KEEPING, ids=lambda door: door.__name__)
def test_a_leaf_that_keeps_its_encryption_key_is_refused(door: Door) -> None:
    assert door(Wrong("", _keeping), _members()) == "VAL-7.3-10"


def _keeping(content: LeafContent, members: Members) -> LeafContent:
    leaf = members["alice"].tree.leaf(BOBS_LEAF)
    assert leaf is not None
    return replace(content, encryption_key=leaf.encryption_key)


IN_GROUP = [door for door in DOORS if door not in WITHOUT_GROUP]


@pytest.mark.parametrize("door", IN_GROUP, ids=lambda door: door.__name__)
def test_a_leaf_that_does_not_support_the_credential_of_another_is_refused(door: Door) -> None:
    certified = replace(config("dora"), credential=Credential.x509((b"certificate",)))
    members = _after_commit(group_of("alice", "bob", "carol", "dora"), "dora", certified)
    narrow = Wrong("", lambda content, _: _capable(content, credentials=(1,)))
    assert door(narrow, members) == "VAL-7.3-4"


GREASE = (0x0A0A, 0x1A1A, 0xEAEA)  # 13.5


def _greased(content: LeafContent, _: Members) -> LeafContent:
    able = content.capabilities
    return _capable(
        content,
        versions=(*able.versions, *GREASE),
        cipher_suites=(*GREASE, *able.cipher_suites),
        extensions=(*able.extensions, *GREASE),
        proposals=GREASE,
        credentials=(*GREASE, *able.credentials),
    )


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("right", [FINE, Wrong("", _greased)], ids=["plain", "greased"])
def test_leaves_that_break_no_rule_pass_each_door(right: Wrong, door: Door) -> None:
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        door(right, _members())
