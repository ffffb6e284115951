"""The nodes of a ratchet tree: immutable subtrees that know their tree hash. RFC 9420, 7.1 and 7.8.

Never changes in place: a new version of a tree shares every subtree that stayed as it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from crypto.errors import PeerError
from crypto.mls.codec import Reader, items, optional, u32, vector
from crypto.mls.leaf_node import LeafNode
from crypto.mls.suite import Suite

_LEAF = b"\x01"
_PARENT = b"\x02"


@dataclass(frozen=True, slots=True)
class ParentNode:
    """What a parent that is not blank holds; `unmerged_leaves` is sorted. Section 7.1."""

    encryption_key: bytes
    parent_hash: bytes = b""
    unmerged_leaves: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The `ParentNode` struct."""
        head = vector(self.encryption_key) + vector(self.parent_hash)
        return head + items(map(u32, self.unmerged_leaves))


def read_parent_node(reader: Reader) -> ParentNode:
    """A `ParentNode`; PeerError("VAL-7.1-1") unless its unmerged leaves ascend."""
    node = ParentNode(reader.vector(), reader.vector(), reader.u32s())
    leaves = node.unmerged_leaves
    # "The entries in the unmerged_leaves vector MUST be sorted in increasing order" (7.1)
    if any(one >= other for one, other in pairwise(leaves)):
        raise PeerError("VAL-7.1-1", "unmerged leaves are not in increasing order")
    return node


@dataclass(slots=True, eq=False)
class LeafSlot:
    """A place at the bottom: blank, or with a LeafNode. Assigned once, then only read."""

    suite: Suite
    index: int
    node: LeafNode | None
    _hash: bytes | None = field(default=None, repr=False)

    level = 0

    @property
    def first(self) -> int:
        """The index of the leftmost leaf below: its own."""
        return self.index

    @property
    def members(self) -> int:
        """How many leaves below are not blank."""
        return 0 if self.node is None else 1

    @property
    def reach(self) -> int:
        """How many nodes its resolution has."""
        return self.members

    @property
    def key(self) -> bytes | None:
        """The encryption key that stands here, or None."""
        return None if self.node is None else self.node.encryption_key

    def object(self) -> bytes:
        """The `TreeHashInput` struct."""
        node = None if self.node is None else self.node.encoded
        return _LEAF + u32(self.index) + optional(node)

    def hash(self) -> bytes:
        """The tree hash, computed once: KDF.Nh bytes."""
        if self._hash is None:
            self._hash = self.suite.hash(self.object())
        return self._hash


@dataclass(slots=True, eq=False)
class Branch:
    """A parent with both subtrees: blank, or with a ParentNode. Assigned once, then only read.

    `members` is how many leaves below are not blank, `reach` how many nodes its resolution has.
    """

    suite: Suite
    node: ParentNode | None
    left: "Subtree"
    right: "Subtree"
    level: int = field(init=False)
    first: int = field(init=False)
    members: int = field(init=False)
    reach: int = field(init=False)
    _hash: bytes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.level = self.left.level + 1
        self.first = self.left.first
        self.members = self.left.members + self.right.members
        if self.node is None:
            self.reach = self.left.reach + self.right.reach
        else:
            self.reach = 1 + len(self.node.unmerged_leaves)

    @property
    def key(self) -> bytes | None:
        """The encryption key that stands here, or None."""
        return None if self.node is None else self.node.encryption_key

    def goes_right(self, leaf_index: int) -> bool:
        """Whether that leaf stands below the right child."""
        return leaf_index >> (self.level - 1) & 1 == 1

    def towards(self, leaf_index: int) -> "Subtree":
        """The child above that leaf."""
        return self.right if self.goes_right(leaf_index) else self.left

    def beside(self, leaf_index: int) -> "Subtree":
        """The child that is not above that leaf."""
        return self.left if self.goes_right(leaf_index) else self.right

    def object(self) -> bytes:
        """The `TreeHashInput` struct."""
        return self.object_with(self.node, self.left.hash(), self.right.hash())

    @staticmethod
    def object_with(node: ParentNode | None, left_hash: bytes, right_hash: bytes) -> bytes:
        """The `TreeHashInput` of a parent with these contents."""
        encoded = optional(None if node is None else node.encode())
        return _PARENT + encoded + vector(left_hash) + vector(right_hash)

    def hash(self) -> bytes:
        """The tree hash, computed once: KDF.Nh bytes."""
        if self._hash is None:
            self._hash = self.suite.hash(self.object())
        return self._hash


Subtree = LeafSlot | Branch


def blank_subtree(suite: Suite, level: int, first: int) -> Subtree:
    """A subtree of 2^level blank leaves that starts at leaf `first`."""
    if level == 0:
        return LeafSlot(suite, first, None)
    middle = first + (1 << (level - 1))
    left = blank_subtree(suite, level - 1, first)
    return Branch(suite, None, left, blank_subtree(suite, level - 1, middle))


def resolution(subtree: Subtree, *, excluded: frozenset[int] = frozenset()) -> list[Subtree]:
    """The nodes that together reach all members below, from left to right. Section 4.1.1.

    `excluded` leaves are left out: those that the same Commit adds.
    """
    found: list[Subtree] = []
    above = [subtree]
    while above:
        top = above.pop()
        if isinstance(top, LeafSlot):
            if top.node is not None and top.index not in excluded:
                found.append(top)
        elif top.node is not None:
            found.append(top)
            unmerged = top.node.unmerged_leaves
            found += (leaf_slot(top, index) for index in unmerged if index not in excluded)
        elif top.members:
            above += (top.right, top.left)
    return found


def resolution_size(subtree: Subtree, *, excluded: frozenset[int] = frozenset()) -> int:
    """How many nodes `resolution` gives, without visiting them.

    Each excluded leaf is one of them: whoever was just added is unmerged at all parents above.
    """
    end = subtree.first + (1 << subtree.level)
    return subtree.reach - sum(subtree.first <= leaf < end for leaf in excluded)


def leaf_slot(subtree: Subtree, index: int) -> LeafSlot:
    """The place of a leaf below; the caller knows that it stands there."""
    while isinstance(subtree, Branch):
        subtree = subtree.right if index >> (subtree.level - 1) & 1 else subtree.left
    return subtree


def leaves(subtree: Subtree) -> Iterator[LeafSlot]:
    """Every leaf below that is not blank, from left to right."""
    above = [subtree]
    while above:
        top = above.pop()
        if isinstance(top, Branch):
            if top.members:
                above += (top.right, top.left)
        elif top.node is not None:
            yield top


def changed_subtrees(new: Subtree, old: Subtree | None) -> Iterator[Subtree]:
    """Every node of `new` that does not stand, as the same object, at its place in `old`.

    Subtrees that both share are not visited; `old` is another version of the same tree.
    """
    while isinstance(old, Branch) and old.level > new.level:
        old = old.left
    pairs: list[tuple[Subtree, Subtree | None]] = [(new, old)]
    while pairs:
        new, old = pairs.pop()
        if new is old:
            continue
        yield new
        if isinstance(new, LeafSlot):
            continue
        if isinstance(old, Branch) and old.level == new.level:
            pairs += ((new.right, old.right), (new.left, old.left))
        else:
            # A tree grows to the right only: the whole old tree is then the new one's left subtree.
            pairs += ((new.right, None), (new.left, old))
