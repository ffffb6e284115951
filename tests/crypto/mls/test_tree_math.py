"""Tree arithmetic: the official vectors are in test_vectors; here, what they leave out."""

import pytest

from crypto.errors import UsageError
from crypto.mls import tree_math
from crypto.mls.tree_math import LeafIndex, NodeIndex


def test_direct_path_and_copath_of_the_rfc_example() -> None:
    assert tree_math.direct_path(NodeIndex(4), 8) == (5, 3, 7)
    assert tree_math.copath(NodeIndex(4), 8) == (6, 1, 11)
    assert tree_math.direct_path(NodeIndex(7), 8) == tree_math.copath(NodeIndex(7), 8) == ()


@pytest.mark.parametrize("leaf_count", [1, 2, 4, 8, 16])
def test_common_ancestors_are_where_the_paths_meet(leaf_count: int) -> None:
    nodes = [NodeIndex(node) for node in range(tree_math.node_count(leaf_count))]
    up = {node: (node, *tree_math.direct_path(node, leaf_count)) for node in nodes}
    for one in nodes:
        for other in nodes:
            meeting = next(node for node in up[one] if node in up[other])
            assert tree_math.common_ancestor(one, other) == meeting
            assert tree_math.is_below(one, other) == (other in up[one])


def test_leaves_and_nodes_name_each_other() -> None:
    for leaf in map(LeafIndex, range(9)):
        assert tree_math.leaf_of(tree_math.node_of(leaf)) == leaf
        assert tree_math.is_leaf(tree_math.node_of(leaf))
    assert not tree_math.is_leaf(NodeIndex(5))
    with pytest.raises(UsageError):
        tree_math.leaf_of(NodeIndex(5))


def test_sizes() -> None:
    assert [tree_math.leaf_count_of(nodes) for nodes in (1, 2, 3, 4, 7, 8)] == [1, 2, 2, 4, 4, 8]
    assert [n for n in range(-1, 17) if tree_math.is_full(n)] == [1, 2, 4, 8, 16]
