"""The secret tree: what is consumed is gone, what is stored comes back, and little changes."""

import random

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import secret_tree
from crypto.mls.framing import ContentType
from crypto.mls.secret_tree import SecretTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_math import LeafIndex

SECRET = b"\x07" * 32
APPLICATION, COMMIT, PROPOSAL = ContentType.APPLICATION, ContentType.COMMIT, ContentType.PROPOSAL


def _tree(leaf_count: int = 8) -> SecretTree:
    return secret_tree.create(SUITE_1, leaf_count, SECRET)


def _leaf_key(leaf: int) -> bytes:
    _, key = _tree().next_key(LeafIndex(leaf), APPLICATION)
    return key.key


def test_leaves_have_the_same_keys_in_whichever_order_they_speak() -> None:
    expected = [_leaf_key(leaf) for leaf in range(8)]
    tree = _tree()
    for leaf in random.Random(2).sample(range(8), 8):
        tree, key = tree.next_key(LeafIndex(leaf), APPLICATION)
        assert key.key == expected[leaf]
    assert len(set(expected)) == 8
    assert list(tree.nodes.items()) == []


def test_the_path_to_a_leaf_is_consumed_and_its_copath_kept() -> None:
    tree, _ = _tree().next_key(LeafIndex(2), APPLICATION)
    assert [node for node, _ in tree.nodes.items()] == [1, 6, 11]
    tree, _ = tree.next_key(LeafIndex(3), APPLICATION)
    assert [node for node, _ in tree.nodes.items()] == [1, 11]


@pytest.mark.parametrize("kind", list(ContentType))
def test_no_consumed_secret_stays_in_any_row(kind: ContentType) -> None:
    before = secret_tree.rows(_tree())
    tree, key = _tree().key_for(LeafIndex(5), kind, 2)
    stored = b"".join(secret_tree.rows(tree).values())
    assert SECRET in b"".join(before.values())
    for consumed in (SECRET, key.key, key.nonce):
        assert consumed not in stored


def test_handshakes_and_application_data_have_ratchets_of_their_own() -> None:
    tree, application = _tree().next_key(LeafIndex(0), APPLICATION)
    tree, proposal = tree.next_key(LeafIndex(0), PROPOSAL)
    tree, commit = tree.next_key(LeafIndex(0), COMMIT)
    assert [key.generation for key in (application, proposal, commit)] == [0, 0, 1]
    assert len({application.key, proposal.key, commit.key}) == 3


def test_a_tree_of_one_leaf() -> None:
    tree, _ = _tree(1).next_key(LeafIndex(0), APPLICATION)
    assert list(tree.nodes.items()) == []


@pytest.mark.parametrize("leaf", [-1, 8, 2**32 - 1])
def test_a_leaf_outside_is_refused(leaf: int) -> None:
    with pytest.raises(PeerError) as caught:
        _tree().key_for(LeafIndex(leaf), APPLICATION, 0)
    assert caught.value.code == "no_such_leaf"


@pytest.mark.parametrize("leaf_count", [-1, 0, 3, 6])
def test_only_full_trees_are_made(leaf_count: int) -> None:
    with pytest.raises(UsageError):
        _tree(leaf_count)


def test_a_tree_is_read_from_its_rows() -> None:
    tree = _tree()
    for leaf, kind, generation in ((2, APPLICATION, 3), (2, COMMIT, 0), (7, PROPOSAL, 1)):
        tree, _ = tree.key_for(LeafIndex(leaf), kind, generation)
    again = secret_tree.from_rows(SUITE_1, secret_tree.rows(tree))
    assert secret_tree.rows(again) == secret_tree.rows(tree)
    _, expected = tree.key_for(LeafIndex(2), APPLICATION, 1)
    _, key = again.key_for(LeafIndex(2), APPLICATION, 1)
    assert (key.key, key.nonce) == (expected.key, expected.nonce)
    with pytest.raises(PeerError):
        again.key_for(LeafIndex(2), APPLICATION, 3)


def test_changed_rows_make_the_old_rows_the_new_ones() -> None:
    choose = random.Random(3)
    tree = _tree(64)
    stored = secret_tree.rows(tree)
    for _ in range(200):
        old, leaf = tree, LeafIndex(choose.randrange(64))
        kind = choose.choice(list(ContentType))
        try:
            tree, _ = tree.key_for(leaf, kind, choose.randrange(30))
        except PeerError:
            continue
        put, deleted = secret_tree.changed_rows(old, tree)
        assert not put.keys() & deleted
        stored = {name: row for name, row in {**stored, **put}.items() if name not in deleted}
        assert stored == secret_tree.rows(tree)


def test_the_rows_of_another_epoch_replace_all() -> None:
    old, _ = _tree(64).key_for(LeafIndex(40), APPLICATION, 3)
    new, _ = secret_tree.create(SUITE_1, 16, b"\x08" * 32).next_key(LeafIndex(1), COMMIT)
    put, deleted = secret_tree.changed_rows(old, new)
    stored = {**secret_tree.rows(old), **put}
    assert {n: r for n, r in stored.items() if n not in deleted} == secret_tree.rows(new)


@pytest.mark.parametrize("leaf_count", [2, 1024, 2**20])
def test_a_later_message_changes_one_row_in_a_group_of_any_size(leaf_count: int) -> None:
    leaf = LeafIndex(leaf_count - 1)
    first, _ = _tree(leaf_count).next_key(leaf, APPLICATION)
    put, deleted = secret_tree.changed_rows(_tree(leaf_count), first)
    assert len(put) == leaf_count.bit_length() - 1 + 2
    assert deleted == {f"n/{leaf_count - 1}"}
    second, _ = first.next_key(leaf, APPLICATION)
    put, deleted = secret_tree.changed_rows(first, second)
    assert (set(put), deleted) == ({f"a/{leaf}"}, set())


@pytest.mark.parametrize(
    "damage",
    [
        {"size": None},
        {"size": b"\x00\x00\x00\x03"},
        {"size": b"\x00"},
        {"a/2": None},
        {"a/2": b""},
        {"a/2/0": b"\x01"},
        {"a/x": b""},
        {"n/99": b"\x00" * 32},
        {"n/-1": b"\x00" * 32},
    ],
)
def test_damaged_rows_are_refused(damage: dict[str, bytes | None]) -> None:
    tree, _ = _tree().key_for(LeafIndex(2), APPLICATION, 1)
    stored = {**secret_tree.rows(tree), **damage}
    kept = {name: row for name, row in stored.items() if row is not None}
    with pytest.raises(PeerError) as caught:
        secret_tree.from_rows(SUITE_1, kept)
    assert caught.value.code == "malformed"


def test_secrets_are_not_shown() -> None:
    tree, _ = _tree().key_for(LeafIndex(2), APPLICATION, 1)
    assert "x07" not in repr(tree)
    assert "Ratchet" not in repr(tree)
