"""Trees that an insider makes up for a newcomer: keys above the leaves that nobody set there."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls.group import Group, external_draft
from crypto.mls.leaf_node import LeafNode, LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.parent_hash import parent_hash
from crypto.mls.proposals import Remove
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import Branch, LeafSlot, ParentNode, Subtree
from tests.crypto.mls.clients import (
    add,
    config,
    group_of,
    key_package,
    signing_key,
)
from tests.crypto.mls.lying import tree_info_of

NAMES = ("m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7")


def _full() -> Group:
    """Eight members with every parent set: m0, m2, m4 and m6 have committed, m0 last."""
    members = group_of(*NAMES)
    for committer in ("m6", "m4", "m2", "m0"):
        commit = members[committer].draft().finish(signer=signing_key(committer))
        for name in NAMES:
            staged = None if name == committer else members[name].stage(commit.message).group
            members[name] = commit.group if staged is None else staged
    assert all(node.node is not None for node in _branches(members["m0"].tree.root))
    return members["m0"]


@pytest.fixture(scope="module")
def group() -> Group:
    return _full()


def _branches(subtree: Subtree) -> list[Branch]:
    if isinstance(subtree, LeafSlot):
        return []
    return [subtree, *_branches(subtree.left), *_branches(subtree.right)]


def _at(root: Subtree, level: int, leaf: int) -> Subtree:
    while root.level > level:
        assert isinstance(root, Branch)
        root = root.towards(leaf)
    return root


def _parent(root: Subtree, level: int, leaf: int) -> ParentNode:
    branch = _at(root, level, leaf)
    assert isinstance(branch, Branch)
    assert branch.node is not None
    return branch.node


def _leaf(root: Subtree, leaf: int) -> LeafNode:
    slot = _at(root, 0, leaf)
    assert isinstance(slot, LeafSlot)
    assert slot.node is not None
    return slot.node


def _put(root: Subtree, level: int, leaf: int, node: ParentNode | LeafNode | None) -> Subtree:
    """The tree with another node at a level above a leaf, all else as it was."""
    if isinstance(root, LeafSlot):
        assert not isinstance(node, ParentNode)
        return LeafSlot(SUITE_1, leaf, node)
    if root.level == level:
        assert not isinstance(node, LeafNode)
        return Branch(SUITE_1, node, root.left, root.right)
    below = _put(root.towards(leaf), level, leaf, node)
    left, right = (root.left, below) if root.goes_right(leaf) else (below, root.right)
    return Branch(SUITE_1, root.node, left, right)


def _signed_again(leaf: LeafNode, place: int, name: str, **changes: object) -> LeafNode:
    content = replace(leaf.content, **changes)  # type: ignore[arg-type]
    return sign_leaf(
        SUITE_1, content, signer=signing_key(name), group_id=b"g" * 32, leaf_index=place
    )


def _refused(group: Group, root: Subtree) -> str:
    tree = RatchetTree(SUITE_1, root)
    with pytest.raises(PeerError) as refused:
        external_draft(tree_info_of(group, "m0", tree), tree, config=config("dave"))
    return refused.value.code


def _accepted(group: Group, root: Subtree) -> None:
    tree = RatchetTree(SUITE_1, root)
    external_draft(tree_info_of(group, "m0", tree), tree, config=config("dave"))


def _key() -> bytes:
    return SUITE_1.generate_key_pair()[1]


def test_the_tree_before_it_is_forged_is_right(group: Group) -> None:
    _accepted(group, group.tree.root)


@pytest.mark.parametrize(("level", "leaf"), [(1, 0), (1, 2), (1, 6), (2, 0), (2, 4), (3, 0)])
def test_a_parent_with_another_key_is_refused(group: Group, level: int, leaf: int) -> None:
    root = group.tree.root
    forged = replace(_parent(root, level, leaf), encryption_key=_key())
    assert _refused(group, _put(root, level, leaf, forged)) == "VAL-7.9.2-1"


@pytest.mark.parametrize(("level", "leaf"), [(1, 0), (1, 2), (2, 0), (2, 4)])
@pytest.mark.parametrize("carried", [b"", bytes(32), b"short"])
def test_a_parent_with_another_parent_hash_is_refused(
    group: Group, level: int, leaf: int, carried: bytes
) -> None:
    root = group.tree.root
    forged = replace(_parent(root, level, leaf), parent_hash=carried)
    assert _refused(group, _put(root, level, leaf, forged)) == "VAL-7.9.2-1"


def test_a_root_with_a_parent_hash_is_refused_though_its_leaf_vouches_for_it() -> None:
    group = group_of("m0", "m1")["m0"]
    root = group.tree.root
    assert isinstance(root, Branch)
    forged = replace(_parent(root, 1, 0), parent_hash=b"above the root".ljust(32))
    carried = parent_hash(
        SUITE_1, forged.encryption_key, forged.parent_hash, sibling_hash=root.right.hash()
    )
    leaf = _signed_again(_leaf(root, 0), 0, "m0", parent_hash=carried)
    vouching = _put(_put(root, 0, 0, leaf), 1, 0, forged)
    assert _refused(group, vouching) == "VAL-7.5-3"


@pytest.mark.parametrize("source", [LeafNodeSource.KEY_PACKAGE, LeafNodeSource.UPDATE])
def test_a_leaf_that_made_no_commit_vouches_for_nothing(
    group: Group, source: LeafNodeSource
) -> None:
    lifetime = Lifetime(0, 2**40) if source is LeafNodeSource.KEY_PACKAGE else None
    root = group.tree.root
    leaf = _signed_again(_leaf(root, 0), 0, "m0", source=source, lifetime=lifetime)
    assert _refused(group, _put(root, 0, 0, leaf)) == "VAL-7.9.2-1"


@pytest.mark.parametrize("carried", [b"", bytes(32), bytes(31), bytes(33)])
def test_a_leaf_with_another_parent_hash_is_refused(group: Group, carried: bytes) -> None:
    root = group.tree.root
    leaf = _signed_again(_leaf(root, 0), 0, "m0", parent_hash=carried)
    assert _refused(group, _put(root, 0, 0, leaf)) == "VAL-7.9.2-1"


def test_of_two_leaves_below_a_parent_only_one_ever_vouches_for_it() -> None:
    """Each one's hash would cover the other's, so both together are nothing that can be made."""
    group = group_of("m0", "m1")["m0"]
    root = group.tree.root
    key = _parent(root, 1, 0).encryption_key
    # Leaf 0 vouches for a parent beside which leaf 1 came later, leaf 1 for one beside leaf 0.
    first = parent_hash(SUITE_1, key, b"", sibling_hash=LeafSlot(SUITE_1, 1, None).hash())
    leaf0 = _signed_again(_leaf(root, 0), 0, "m0", parent_hash=first)
    second = parent_hash(SUITE_1, key, b"", sibling_hash=LeafSlot(SUITE_1, 0, leaf0).hash())
    source = LeafNodeSource.COMMIT
    leaf1 = _signed_again(_leaf(root, 1), 1, "m1", source=source, lifetime=None, parent_hash=second)
    left, right = LeafSlot(SUITE_1, 0, leaf0), LeafSlot(SUITE_1, 1, leaf1)
    for unmerged in ((), (1,)):
        _accepted(group, Branch(SUITE_1, ParentNode(key, b"", unmerged), left, right))
    for unmerged in ((0,), (0, 1)):
        node = ParentNode(key, b"", unmerged)
        assert _refused(group, Branch(SUITE_1, node, left, right)) == "VAL-7.9.2-1"


def test_one_parent_copied_to_two_places_is_refused(group: Group) -> None:
    root = group.tree.root
    copied = _put(root, 2, 4, _parent(root, 2, 0))
    assert _refused(group, copied) == "VAL-12.4.3.1-5"
    above = _put(root, 1, 0, _parent(root, 2, 0))
    assert _refused(group, above) == "VAL-12.4.3.1-5"


def test_a_parent_may_not_have_the_key_of_a_leaf(group: Group) -> None:
    root = group.tree.root
    forged = replace(_parent(root, 1, 2), encryption_key=_leaf(root, 5).encryption_key)
    assert _refused(group, _put(root, 1, 2, forged)) in {"VAL-12.4.3.1-5", "VAL-7.3-9"}


@pytest.mark.parametrize(
    ("level", "leaf", "unmerged"), [(1, 0, (1,)), (2, 0, (1,)), (2, 0, (3,)), (3, 0, (7,))]
)
def test_calling_a_merged_leaf_unmerged_is_refused(
    group: Group, level: int, leaf: int, unmerged: tuple[int, ...]
) -> None:
    """Whoever believes it would leave that member out, and send to nobody instead."""
    root = group.tree.root
    for below in range(1, level + 1):
        node = _parent(root, below, unmerged[0] if below < level else leaf)
        root = _put(
            root,
            below,
            unmerged[0] if below < level else leaf,
            replace(node, unmerged_leaves=unmerged),
        )
    assert _refused(group, root) == "VAL-7.9.2-1"


def _grown(group: Group) -> Group:
    """The same after m2 and m6 left, and two came to their places without a path."""
    gone = group.draft([Remove(2), Remove(6)]).finish(signer=signing_key("m0")).group
    new = [add(key_package(name)) for name in ("new2", "new6")]
    return gone.draft(new, path=False).finish(signer=signing_key("m0")).group


def test_newcomers_are_unmerged_and_their_parents_still_vouched_for(group: Group) -> None:
    grown = _grown(group)
    assert _parent(grown.tree.root, 3, 0).unmerged_leaves == (2, 6)
    _accepted(grown, grown.tree.root)


@pytest.mark.parametrize("kept", [(), (2,), (6,)])
def test_hiding_an_unmerged_leaf_is_refused(group: Group, kept: tuple[int, ...]) -> None:
    """The newcomer would count as somebody who has the key, and be locked out."""
    grown = _grown(group)
    forged = replace(_parent(grown.tree.root, 3, 0), unmerged_leaves=kept)
    assert _refused(grown, _put(grown.tree.root, 3, 0, forged)) == "VAL-7.9.2-1"


def test_the_subtree_beside_the_path_is_the_one_that_the_key_was_sent_to(group: Group) -> None:
    """A leaf put into the sibling subtree later, by an Update that blanks nothing. 7.9."""
    root = group.tree.root
    update = _signed_again(
        _leaf(root, 5),
        5,
        "m5",
        source=LeafNodeSource.UPDATE,
        lifetime=None,
        encryption_key=_key(),
    )
    assert _refused(group, _put(root, 0, 5, update)) == "VAL-7.9.2-1"
    blanked = RatchetTree(SUITE_1, root).update(5, update)
    _accepted(group, blanked.root)


def test_a_leaf_that_is_taken_out_beside_a_path_is_noticed(group: Group) -> None:
    root = group.tree.root
    assert _refused(group, _put(root, 0, 5, None)) == "VAL-7.9.2-1"
    _accepted(group, RatchetTree(SUITE_1, root).remove(5).root)


def test_a_parent_above_nobody_who_set_it_is_refused(group: Group) -> None:
    """An insider's key at a place that is blank, below which it has no leaf."""
    root = (
        RatchetTree(SUITE_1, group.tree.root)
        .update(
            6,
            _signed_again(
                _leaf(group.tree.root, 6),
                6,
                "m6",
                source=LeafNodeSource.UPDATE,
                encryption_key=_key(),
            ),
        )
        .root
    )
    chosen: list[Callable[[], ParentNode]] = [
        lambda: ParentNode(_key()),
        lambda: ParentNode(_key(), _parent(root, 2, 0).parent_hash),
        lambda: ParentNode(_key(), unmerged_leaves=(6, 7)),
        lambda: ParentNode(_key(), unmerged_leaves=(7,)),
    ]
    for make in chosen:
        assert _refused(group, _put(root, 1, 6, make())) == "VAL-7.9.2-1"


def test_a_tree_vector_of_an_even_number_of_nodes_is_refused() -> None:
    group = group_of("m0", "m1", "m2")["m0"]
    commit = group.draft().finish(signer=signing_key("m0")).group
    root = commit.tree.root
    forged = _put(root, 1, 2, ParentNode(_key()))
    encoded = RatchetTree(SUITE_1, _put(forged, 0, 3, None)).encode()
    with pytest.raises(PeerError) as refused:
        RatchetTree.decode(SUITE_1, encoded)
    assert refused.value.code == "VAL-12.4.3.3-2"
