"""Where nodes stand in a full binary tree kept as an array: leaves even, parents odd.

Never looks at what a node holds. RFC 9420, Appendix C; `leaf_count` is a power of two throughout.
"""

from typing import NewType

from crypto.errors import UsageError

LeafIndex = NewType("LeafIndex", int)
NodeIndex = NewType("NodeIndex", int)


def node_of(leaf: LeafIndex) -> NodeIndex:
    """The node of a leaf."""
    return NodeIndex(leaf << 1)


def leaf_of(node: NodeIndex) -> LeafIndex:
    """The leaf of a node; UsageError when it is a parent."""
    if node & 1:
        raise UsageError("a parent node is no leaf")
    return LeafIndex(node >> 1)


def is_leaf(node: NodeIndex) -> bool:
    """Whether the node stands at the bottom."""
    return not node & 1


def is_full(leaf_count: int) -> bool:
    """Whether a tree can have this many leaves: a power of two."""
    return leaf_count > 0 and leaf_count & (leaf_count - 1) == 0


def node_count(leaf_count: int) -> int:
    """How many nodes a tree of `leaf_count` leaves has."""
    return 2 * leaf_count - 1


def leaf_count_of(nodes: int) -> int:
    """How many leaves the smallest full tree has that holds `nodes` nodes, at least 1."""
    return 1 << (nodes // 2).bit_length()


def level(node: NodeIndex) -> int:
    """The height above the leaves, which stand at 0."""
    return ((node ^ (node + 1)) + 1 >> 1).bit_length() - 1


def root(leaf_count: int) -> NodeIndex:
    """The node at the top."""
    return NodeIndex(leaf_count - 1)


def left(node: NodeIndex) -> NodeIndex:
    """The left child; UsageError at a leaf."""
    height = level(node)
    if height == 0:
        raise UsageError("a leaf has no children")
    return NodeIndex(node ^ 1 << (height - 1))


def right(node: NodeIndex) -> NodeIndex:
    """The right child; UsageError at a leaf."""
    height = level(node)
    if height == 0:
        raise UsageError("a leaf has no children")
    return NodeIndex(node ^ 3 << (height - 1))


def parent(node: NodeIndex, leaf_count: int) -> NodeIndex:
    """The node above; UsageError at the root."""
    if node == root(leaf_count):
        raise UsageError("the root has no parent")
    height = level(node)
    return NodeIndex((node | 1 << height) & ~(1 << (height + 1)))


def sibling(node: NodeIndex, leaf_count: int) -> NodeIndex:
    """The other child of the node's parent; UsageError at the root."""
    above = parent(node, leaf_count)
    return right(above) if node < above else left(above)


def direct_path(node: NodeIndex, leaf_count: int) -> tuple[NodeIndex, ...]:
    """The nodes above, from the parent to the root; empty at the root."""
    top = root(leaf_count)
    path: list[NodeIndex] = []
    while node != top:
        node = parent(node, leaf_count)
        path.append(node)
    return tuple(path)


def copath(node: NodeIndex, leaf_count: int) -> tuple[NodeIndex, ...]:
    """The siblings of the node and of its direct path without the root, from below."""
    top = root(leaf_count)
    siblings: list[NodeIndex] = []
    while node != top:
        siblings.append(sibling(node, leaf_count))
        node = parent(node, leaf_count)
    return tuple(siblings)


def is_below(node: NodeIndex, above: NodeIndex) -> bool:
    """Whether `above` is the node itself or stands on its direct path."""
    height = level(above)
    return level(node) <= height and node >> (height + 1) == above >> (height + 1)


def common_ancestor(one: NodeIndex, other: NodeIndex) -> NodeIndex:
    """The lowest node that both nodes are below, each node being below itself."""
    if is_below(one, other):
        return other
    if is_below(other, one):
        return one
    height = (one ^ other).bit_length()
    return NodeIndex((one >> height << height) + (1 << (height - 1)) - 1)
