"""Parent hashes: who set the keys above the leaves, and whom they were sent to. RFC 9420, 7.9.

Never trusts a parent that no leaf below vouches for.
"""

from collections.abc import Mapping, Sequence

from crypto.errors import PeerError
from crypto.mls.codec import vector
from crypto.mls.leaf_node import LeafNodeSource
from crypto.mls.ratchet_tree import PathStep, RatchetTree
from crypto.mls.suite import Suite
from crypto.mls.tree_node import Branch, LeafSlot, ParentNode, Subtree, resolution


def parent_hash(suite: Suite, encryption_key: bytes, above: bytes, *, sibling_hash: bytes) -> bytes:
    """The hash of a ParentHashInput; `above` is the parent hash that the parent itself carries."""
    return suite.hash(vector(encryption_key) + vector(above) + vector(sibling_hash))


def path_nodes(
    suite: Suite, steps: Sequence[PathStep], keys: Sequence[bytes]
) -> tuple[Mapping[int, ParentNode], bytes]:
    """The parents of a fresh filtered path by level, and the parent hash for the leaf below.

    `keys` are their public keys, as many as `steps`, lowest first. Section 7.9.
    """
    nodes: dict[int, ParentNode] = {}
    above = b""  # "The root node always has a zero-length hash for its parent hash" (7.5)
    for step, key in zip(reversed(steps), reversed(keys), strict=True):
        nodes[step.level] = ParentNode(key, above)
        # Nothing is unmerged at a fresh parent, so the sibling's hash needs no blanking.
        above = parent_hash(suite, key, above, sibling_hash=step.copath.hash())
    return nodes, above


def check_parent_hashes(tree: RatchetTree) -> None:
    """Check that every parent that is not blank is "parent-hash valid". Section 7.9.2.

    The rules for unmerged leaves must hold already. Raises PeerError("VAL-7.9.2-1"), and
    PeerError("VAL-7.5-3") when the root has a parent hash.
    """
    root = tree.root
    # "The root node always has a zero-length hash for its parent hash" (7.5)
    if isinstance(root, Branch) and root.node is not None and root.node.parent_hash:
        raise PeerError("VAL-7.5-3", "the root carries a parent hash")
    _check_below(tree.suite, root)


def _check_below(suite: Suite, subtree: Subtree) -> None:
    if isinstance(subtree, LeafSlot):
        return
    if subtree.node is not None:
        sides = ((subtree.left, subtree.right), (subtree.right, subtree.left))
        # "verifying that there is exactly one descendant of each non-blank parent node for which
        # the parent node is parent-hash valid" (7.9.2); by induction it chains down to a leaf
        found = sum(
            _vouches(suite, subtree.node, child=child, sibling=sibling) for child, sibling in sides
        )
        if found != 1:
            raise PeerError("VAL-7.9.2-1", "no leaf vouches for a parent")
    _check_below(suite, subtree.left)
    _check_below(suite, subtree.right)


def _vouches(suite: Suite, parent: ParentNode, *, child: Subtree, sibling: Subtree) -> bool:
    """Whether a node D below `child` makes the parent valid with copath child `sibling`."""
    end = child.first + (1 << child.level)
    unmerged = {leaf for leaf in parent.unmerged_leaves if child.first <= leaf < end}
    # "the intersection of P's unmerged_leaves with the subtree under C is equal to the resolution
    # of C with D removed" (7.9.2): so D is the only node there that is not an unmerged leaf
    nodes = resolution(child)
    others = [node for node in nodes if not _is_among(node, unmerged)]
    if len(others) != 1 or len(nodes) - 1 != len(unmerged):
        return False
    original = _original_hash(suite, sibling, parent.unmerged_leaves)
    expected = parent_hash(suite, parent.encryption_key, parent.parent_hash, sibling_hash=original)
    return _carried_hash(others[0]) == expected


def _is_among(node: Subtree, leaves: set[int]) -> bool:
    return isinstance(node, LeafSlot) and node.index in leaves


def _carried_hash(node: Subtree) -> bytes | None:
    if isinstance(node, Branch):
        return None if node.node is None else node.node.parent_hash
    if node.node is None or node.node.content.source != LeafNodeSource.COMMIT:
        return None
    return node.node.content.parent_hash


def _original_hash(suite: Suite, subtree: Subtree, unmerged: Sequence[int]) -> bytes:
    """The tree hash of a subtree as it was before these leaves came: they are taken out. 7.9."""
    end = subtree.first + (1 << subtree.level)
    below = [leaf for leaf in unmerged if subtree.first <= leaf < end]
    if not below:
        return subtree.hash()
    if isinstance(subtree, LeafSlot):
        return LeafSlot(suite, subtree.index, None).hash()
    node = subtree.node
    if node is not None:
        kept = tuple(leaf for leaf in node.unmerged_leaves if leaf not in below)
        node = ParentNode(node.encryption_key, node.parent_hash, kept)
    left = _original_hash(suite, subtree.left, below)
    right = _original_hash(suite, subtree.right, below)
    return suite.hash(Branch.object_with(node, left, right))
