"""Trees as values: growing, shrinking, encoding, and walking from a root hash."""

import random

import pytest

from crypto.errors import PeerError
from crypto.mls.codec import items, optional, u32, vector
from crypto.mls.leaf_node import LeafNode, LeafNodeSource, sign_leaf
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import ParentNode, changed_subtrees, resolution, resolution_size
from crypto.mls.tree_object import missing_objects, object_children
from tests.crypto.mls.clients import group_of, leaf_content, signing_key


def _leaf(name: str) -> LeafNode:
    content = leaf_content(name, LeafNodeSource.UPDATE)
    return sign_leaf(SUITE_1, content, signer=signing_key(name))


def _tree(members: int) -> RatchetTree:
    tree = RatchetTree.of_one(SUITE_1, _leaf("m0"))
    for number in range(1, members):
        tree, index = tree.add(_leaf(f"m{number}"))
        assert index == number
    return tree


def _named(tree: RatchetTree) -> dict[bytes, bytes]:
    return {SUITE_1.hash(data): data for data in tree.objects()}


@pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 8, 9])
def test_trees_survive_both_ways_of_travelling(members: int) -> None:
    tree = _tree(members)
    assert RatchetTree.decode(SUITE_1, tree.encode()).hash() == tree.hash()
    walked = RatchetTree.from_objects(SUITE_1, tree.hash(), _named(tree))
    assert walked.hash() == tree.hash()
    assert walked.encode() == tree.encode()


def test_adding_fills_the_leftmost_gap_and_removing_truncates() -> None:
    tree = _tree(5).remove(1).remove(3)
    tree, index = tree.add(_leaf("new"))
    assert (index, tree.capacity) == (1, 8)
    tree = tree.remove(4)
    assert (tree.capacity, tree.members) == (4, 3)
    assert [index for index, _ in tree.leaves()] == [0, 1, 2]
    assert tree.remove(2).remove(1).capacity == 1


def test_where_nobody_is_nobody_is_removed() -> None:
    tree = _tree(3)
    for index in (3, 4, -1, 2**32):
        assert tree.leaf(index) is None
        with pytest.raises(PeerError):
            tree.remove(index)


def test_the_objects_of_a_change_complete_the_new_tree() -> None:
    chooser = random.Random(5)
    tree, objects = _tree(20), {}
    objects.update(_named(tree))
    for number in range(20):
        old = tree
        if chooser.random() < 0.5:
            index = chooser.choice([index for index, _ in tree.leaves()][1:])
            tree = tree.remove(index)
        else:
            tree, _ = tree.add(_leaf(f"new{number}"))
        changed = {SUITE_1.hash(data): data for data in tree.objects(old)}
        assert len(changed) <= 3 * 6 + 32
        objects.update(changed)
        assert missing_objects(tree.hash(), objects) == set()
        assert RatchetTree.from_objects(SUITE_1, tree.hash(), objects).encode() == tree.encode()


def test_the_size_of_a_resolution_is_known_without_a_walk() -> None:
    chooser = random.Random(7)
    tree = _tree(20)
    for number in range(60):
        committer = chooser.choice([index for index, _ in tree.leaves()])
        path = {level: ParentNode(bytes((number, level)) * 16) for level in range(1, 6)}
        if chooser.random() < 0.5:
            tree = tree.with_path(committer, _leaf(f"path{number}"), path)
        elif tree.members > 8:
            tree = tree.remove(committer)
        tree, indexes = tree.add_all([_leaf(f"{number}/{n}") for n in range(chooser.randrange(4))])
        added = frozenset(indexes)
        for subtree in changed_subtrees(tree.root, None):
            for excluded in (frozenset[int](), added):
                found = resolution(subtree, excluded=excluded)
                assert resolution_size(subtree, excluded=excluded) == len(found)


def test_many_at_once_stand_where_they_would_one_after_another() -> None:
    tree = _tree(9).remove(3).remove(6)
    leaves = [_leaf(f"new{number}") for number in range(12)]
    at_once, indexes = tree.add_all(leaves)
    one_by_one, places = tree, []
    for leaf in leaves:
        one_by_one, place = one_by_one.add(leaf)
        places.append(place)
    assert (at_once.encode(), indexes) == (one_by_one.encode(), places)
    assert tree.add_all([]) == (tree, [])


def test_a_change_touches_only_its_path() -> None:
    tree = _tree(64)
    changed = list(changed_subtrees(tree.update(9, _leaf("new")).root, tree.root))
    assert [subtree.level for subtree in changed] == [6, 5, 4, 3, 2, 1, 0]
    assert list(changed_subtrees(tree.root, tree.root)) == []


def test_a_missing_object_is_named() -> None:
    tree = _tree(4)
    objects = _named(tree)
    gone = tree.root.hash()
    del objects[gone]
    assert missing_objects(gone, objects) == {gone}
    with pytest.raises(PeerError) as found:
        RatchetTree.from_objects(SUITE_1, gone, objects)
    assert found.value.code == "missing_object"


def test_an_object_under_another_name_is_refused() -> None:
    tree, other = _tree(2), _tree(3)
    objects = {tree.hash(): other.root.object(), **_named(other)}
    with pytest.raises(PeerError) as found:
        RatchetTree.from_objects(SUITE_1, tree.hash(), objects)
    assert found.value.code == "bad_object"


def _walk(*nodes: bytes, root: bytes) -> str:
    objects = {SUITE_1.hash(node): node for node in (*nodes, root)}
    with pytest.raises(PeerError) as found:
        RatchetTree.from_objects(SUITE_1, SUITE_1.hash(root), objects)
    return found.value.code


def _parent(left: bytes, right: bytes) -> bytes:
    return b"\x02\x00" + vector(SUITE_1.hash(left)) + vector(SUITE_1.hash(right))


def test_trees_of_another_shape_are_refused() -> None:
    leaf0, leaf1, leaf2 = (b"\x01" + u32(index) + b"\x00" for index in range(3))
    pair = _parent(leaf0, leaf1)
    assert _walk(pair, leaf0, leaf1, leaf2, root=_parent(pair, leaf2)) == "malformed"
    assert _walk(pair, leaf0, leaf1, leaf2, root=_parent(leaf2, pair)) == "malformed"
    assert _walk(root=leaf1) == "malformed"
    assert _walk(root=b"\x03") == "malformed"
    assert _walk(leaf0, leaf1, root=_parent(leaf0, leaf1) + b"\x00") == "malformed"


def test_a_few_objects_cannot_pretend_to_be_a_huge_tree() -> None:
    nodes = [b"\x01" + u32(0) + b"\x00"]
    for _ in range(40):
        nodes.append(_parent(nodes[-1], nodes[-1]))
    assert _walk(*nodes, root=nodes[-1]) == "malformed"
    assert _walk(*nodes, root=nodes[20]) == "malformed"


def test_the_children_of_an_object_can_be_read_without_a_tree() -> None:
    group = group_of("alice", "bob", "carol")["alice"]
    for subtree in changed_subtrees(group.tree.root, None):
        expected = [] if subtree.level == 0 else [subtree.left.hash(), subtree.right.hash()]
        assert list(object_children(subtree.object())) == expected
    for wrong in (b"", b"\x03", b"\x02\x02", b"\x02\x00\x01"):
        with pytest.raises(PeerError):
            object_children(wrong)


def test_ratchet_tree_extensions_have_one_form() -> None:
    leaf = b"\x01" + _leaf("m0").encoded
    parent = b"\x02" + ParentNode(SUITE_1.generate_key_pair()[1]).encode()
    wrong = {
        "VAL-12.4.3.3-1": [[], [None], [leaf, None]],
        "VAL-12.4.3.3-2": [[leaf, parent], [leaf, parent, leaf, None, leaf, parent]],
        "malformed": [[parent], [leaf, leaf, leaf], [b"\x03"]],
    }
    for rule, trees in wrong.items():
        for nodes in trees:
            with pytest.raises(PeerError) as found:
                RatchetTree.decode(SUITE_1, items(map(optional, nodes)))
            assert found.value.code == rule
