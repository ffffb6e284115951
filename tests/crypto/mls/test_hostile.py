"""Bytes that were changed on their way: PeerError or the right thing, never any other exception."""

import random
from collections.abc import Callable

import pytest

from crypto.errors import PeerError
from crypto.mls.group import (
    Group,
    OpenedWelcome,
    RatchetTree,
    decode_group_info,
    external_draft,
    object_children,
    open_welcome,
)
from crypto.mls.messages import decode_message
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    config,
    group_of,
    key_package,
    objects,
    signing_key,
    tree_of,
)

MUTATIONS = 400


def _mutated(data: bytes, chooser: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chooser.randint(1, 3)):
        place = chooser.randrange(len(changed))
        match chooser.randrange(4):
            case 0:
                changed[place] ^= 1 << chooser.randrange(8)
            case 1:
                changed[place] = chooser.choice((0, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF))
            case 2:
                del changed[place : place + chooser.randint(1, 9)]
            case _:
                changed[place:place] = chooser.randbytes(chooser.randint(1, 9))
        if not changed:
            return b"\x00"
    return bytes(changed)


def _accepted(data: bytes, door: Callable[[bytes], object], seed: int) -> list[bytes]:
    """The mutations of `data` that are not refused; any exception but PeerError fails the test."""
    chooser, accepted = random.Random(seed), []
    for _ in range(MUTATIONS):
        changed = _mutated(data, chooser)
        if changed == data:
            continue
        try:
            door(changed)
        except PeerError:
            continue
        accepted.append(changed)
    return accepted


@pytest.fixture(scope="module")
def members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol", "dora", "erin")


def test_a_changed_commit_is_refused(members: dict[str, Group]) -> None:
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    assert _accepted(commit.message, members["bob"].stage, 1) == []


def test_a_changed_commit_from_outside_is_refused(members: dict[str, Group]) -> None:
    alice = members["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(alice), config=config("dave"), remove_leaf=3)
    commit = draft.finish(signer=signing_key("dave"))
    assert _accepted(commit.message, alice.stage, 2) == []


def test_a_changed_message_is_refused(members: dict[str, Group]) -> None:
    _, message = members["alice"].protect(b"hello", signer=signing_key("alice"), padding=20)
    assert _accepted(message, members["bob"].unprotect, 3) == []


def test_a_changed_welcome_is_refused(members: dict[str, Group]) -> None:
    own = key_package("frank")
    commit = members["alice"].draft([add(own)]).finish(signer=signing_key("alice"))
    tree = tree_of(commit.group)

    def join(message: bytes) -> object:
        opened: OpenedWelcome = open_welcome(message, {own.reference: own})
        return opened.join(tree)

    assert commit.welcome is not None
    assert _accepted(commit.welcome, join, 4) == []


def test_a_changed_group_info_is_refused(members: dict[str, Group]) -> None:
    alice = members["alice"]
    info, tree = alice.signed_group_info(signing_key("alice")), tree_of(alice)
    door = lambda data: external_draft(data, tree, config=config("dave"))  # noqa: E731
    assert _accepted(info, door, 5) == []


def test_changed_trees_and_objects_are_refused(members: dict[str, Group]) -> None:
    alice = members["alice"]
    info = alice.signed_group_info(signing_key("alice"))

    def whole(data: bytes) -> object:
        tree = RatchetTree.decode(SUITE_1, data)
        return external_draft(info, tree, config=config("dave"))

    assert _accepted(alice.tree.encode(), whole, 6) == []
    named = dict(objects(alice))
    root = named[alice.tree_hash]

    def walked(data: bytes) -> object:
        object_children(data)
        return RatchetTree.from_objects(SUITE_1, alice.tree_hash, named | {alice.tree_hash: data})

    assert _accepted(root, walked, 7) == []


@pytest.mark.parametrize("seed", range(4))
def test_decoders_raise_nothing_but_peer_errors(members: dict[str, Group], seed: int) -> None:
    alice, own = members["alice"], key_package("frank")
    commit = alice.draft([add(own)]).finish(signer=signing_key("alice"))
    chooser = random.Random(seed)
    assert commit.welcome is not None
    for data in (commit.message, commit.welcome, commit.group_info):
        _accepted(data, decode_message, chooser.randrange(2**32))
    _accepted(commit.group_info, decode_group_info, seed)
