"""The ratchet tree as an immutable value: members at the leaves, shared keys above. RFC 9420, 7.

Never holds a private key and never judges what stands in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from crypto.errors import PeerError
from crypto.mls.leaf_node import LeafNode
from crypto.mls.suite import Suite
from crypto.mls.tree_node import (
    Branch,
    LeafSlot,
    ParentNode,
    Subtree,
    blank_subtree,
    changed_subtrees,
    leaf_slot,
    leaves,
)
from crypto.mls.tree_parsing import decode_tree, encode_tree, tree_from_objects


@dataclass(frozen=True, slots=True)
class PathStep:
    """A node of a filtered direct path: its level above the leaf, and the child beside the path."""

    level: int
    copath: Subtree


@dataclass(frozen=True, slots=True, eq=False)
class RatchetTree:
    """A full binary tree of members; operations return another tree and share what stayed."""

    suite: Suite
    root: Subtree

    @classmethod
    def of_one(cls, suite: Suite, leaf: LeafNode) -> "RatchetTree":
        """A tree whose only member stands at leaf 0."""
        return cls(suite, LeafSlot(suite, 0, leaf))

    @classmethod
    def decode(cls, suite: Suite, data: bytes) -> "RatchetTree":
        """The tree of a `ratchet_tree` extension (12.4.3.3); PeerError("malformed")."""
        return cls(suite, decode_tree(suite, data))

    @classmethod
    def from_objects(
        cls, suite: Suite, root_hash: bytes, objects: Mapping[bytes, bytes]
    ) -> "RatchetTree":
        """The tree with that hash, from its nodes' TreeHashInputs by hash.

        Every object is checked against its name. Raises PeerError("missing_object") or
        PeerError("malformed").
        """
        return cls(suite, tree_from_objects(suite, root_hash, objects))

    def encode(self) -> bytes:
        """The data of a `ratchet_tree` extension."""
        return encode_tree(self.root)

    def hash(self) -> bytes:
        """The tree hash of the root: KDF.Nh bytes."""
        return self.root.hash()

    @property
    def capacity(self) -> int:
        """How many leaves there are, blank ones included: a power of two."""
        return 1 << self.root.level

    @property
    def members(self) -> int:
        """How many leaves are not blank."""
        return self.root.members

    def leaf(self, index: int) -> LeafNode | None:
        """The member at a leaf; None for a blank one and outside of the tree."""
        root = self.root
        return leaf_slot(root, index).node if 0 <= index < 1 << root.level else None

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """Index and LeafNode of every member, from left to right."""
        for slot in leaves(self.root):
            assert slot.node is not None  # leaves() yields no blank ones
            yield slot.index, slot.node

    def objects(self, since: "RatchetTree | None" = None) -> Iterator[bytes]:
        """The TreeHashInput of every node that the earlier tree does not have."""
        for subtree in changed_subtrees(self.root, since.root if since else None):
            yield subtree.object()

    def next_free(self) -> int:
        """The leaf where the next member lands: the leftmost blank one, or one more. 12.1.1."""
        return self._next_free(1)[0]

    def _next_free(self, count: int) -> list[int]:
        """The leaves, in ascending order, where the next `count` members land."""
        found: list[int] = []
        above = [self.root]
        while above and len(found) < count:
            top = above.pop()
            if top.members == 1 << top.level:
                continue
            if isinstance(top, LeafSlot):
                found.append(top.index)
            else:
                above += (top.right, top.left)
        beyond = self.capacity
        return [*found, *range(beyond, beyond + count - len(found))]

    def extended_to(self, index: int) -> "RatchetTree":
        """The tree, doubled with blank leaves until there is a leaf of that index. 7.7."""
        root = self.root
        while index >= 1 << root.level:
            root = Branch(
                self.suite, None, root, blank_subtree(self.suite, root.level, 1 << root.level)
            )
        return RatchetTree(self.suite, root)

    def add(self, leaf: LeafNode) -> tuple["RatchetTree", int]:
        """The tree with one more member, and its leaf index. 12.1.1."""
        tree, indexes = self.add_all((leaf,))
        return tree, indexes[0]

    def add_all(self, leaves: Sequence[LeafNode]) -> tuple["RatchetTree", list[int]]:
        """The tree with more members, and where each landed: as if added one after another."""
        indexes = self._next_free(len(leaves))
        if not indexes:
            return self, []
        tree = self.extended_to(indexes[-1])
        root = _replaced(tree.root, dict(zip(indexes, leaves, strict=True)), _with_unmerged)
        return RatchetTree(self.suite, root), indexes

    def update(self, index: int, leaf: LeafNode) -> "RatchetTree":
        """The tree with another LeafNode at a member's place; the path above is blanked. 12.1.2."""
        self._need_member(index)
        return RatchetTree(self.suite, _replaced(self.root, {index: leaf}, _blank))

    def remove(self, index: int) -> "RatchetTree":
        """The tree without a member: blanked with the path above, then truncated. 12.1.3.

        Without its last member it is one blank leaf, where an external commit may then land.
        """
        self._need_member(index)
        root = _replaced(self.root, {index: None}, _blank)
        while isinstance(root, Branch) and root.right.members == 0:
            root = root.left
        return RatchetTree(self.suite, root)

    def with_path(
        self, index: int, leaf: LeafNode, nodes: Mapping[int, ParentNode]
    ) -> "RatchetTree":
        """The tree with a new leaf and direct path: `nodes` by level, other levels blank. 7.5."""

        def by_level(branch: Branch, _: Iterable[int]) -> ParentNode | None:
            return nodes.get(branch.level)

        return RatchetTree(self.suite, _replaced(self.root, {index: leaf}, by_level))

    def filtered_path(self, index: int) -> tuple[PathStep, ...]:
        """The filtered direct path of a leaf, from below. 4.1.2.

        Levels whose other child has no member below are left out.
        """
        steps: list[PathStep] = []
        subtree = self.root
        while isinstance(subtree, Branch):
            beside = subtree.beside(index)
            if beside.members:
                steps.append(PathStep(subtree.level, beside))
            subtree = subtree.towards(index)
        return tuple(reversed(steps))

    def keys_above(self, index: int) -> dict[int, bytes]:
        """The public keys on a leaf's direct path and at the leaf (level 0), by level."""
        keys: dict[int, bytes] = {}
        subtree = self.root
        while True:
            if subtree.key is not None:
                keys[subtree.level] = subtree.key
            if not isinstance(subtree, Branch):
                return keys
            subtree = subtree.towards(index)

    def levels_merged(self, index: int) -> set[int]:
        """The levels on a leaf's path whose private key its member must have: not unmerged. 4.1."""
        levels = {0}
        subtree = self.root
        while isinstance(subtree, Branch):
            if subtree.node is not None and index not in subtree.node.unmerged_leaves:
                levels.add(subtree.level)
            subtree = subtree.towards(index)
        return levels

    def _need_member(self, index: int) -> None:
        if self.leaf(index) is None:
            raise PeerError("VAL-12.1.3-1", "there is no member at that leaf")


def _blank(_: Branch, __: Iterable[int]) -> ParentNode | None:
    return None


def _with_unmerged(branch: Branch, added: Iterable[int]) -> ParentNode | None:
    node = branch.node
    if node is None:
        return None
    unmerged = tuple(sorted((*node.unmerged_leaves, *added)))
    return ParentNode(node.encryption_key, node.parent_hash, unmerged)


def _replaced(
    subtree: Subtree,
    leaves: Mapping[int, LeafNode | None],
    change: Callable[[Branch, Iterable[int]], ParentNode | None],
) -> Subtree:
    """The subtree with other leaves at some indexes.

    `change` says what each parent above any of them then holds.
    """
    if not leaves:
        return subtree
    if isinstance(subtree, LeafSlot):
        return LeafSlot(subtree.suite, subtree.index, leaves[subtree.index])
    middle = subtree.right.first
    left = {index: leaf for index, leaf in leaves.items() if index < middle}
    right = {index: leaf for index, leaf in leaves.items() if index >= middle}
    return Branch(
        subtree.suite,
        change(subtree, leaves),
        _replaced(subtree.left, left, change),
        _replaced(subtree.right, right, change),
    )
