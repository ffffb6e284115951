"""Trees from and to bytes: the `ratchet_tree` vector (12.4.3.3), and objects named by hash.

Never accepts a shape that is not full, and never visits more nodes than there are bytes for.
"""

from collections.abc import Iterator, Mapping

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all, items, optional
from crypto.mls.leaf_node import LeafNode, read_leaf_node
from crypto.mls.suite import Suite
from crypto.mls.tree_node import (
    Branch,
    LeafSlot,
    ParentNode,
    Subtree,
    blank_subtree,
    read_parent_node,
)
from crypto.mls.tree_object import DEEPEST, LEAF, PARENT

Node = LeafNode | ParentNode


def _read_optional_node(reader: Reader) -> Node | None:
    if not reader.optional():
        return None
    kind = reader.u8()
    if kind == LEAF:
        return read_leaf_node(reader)
    if kind == PARENT:
        return read_parent_node(reader)
    raise PeerError("malformed", "neither a leaf nor a parent")


def decode_tree(suite: Suite, data: bytes) -> Subtree:
    """The root of an `optional<Node> ratchet_tree<V>`."""
    nodes = decode_all(data, lambda reader: reader.items(_read_optional_node))
    # "The receiver MUST check that the last node in ratchet_tree is non-blank" (12.4.3.3)
    if not nodes or nodes[-1] is None:
        raise PeerError("VAL-12.4.3.3-1", "the last node of the tree is blank")
    # "Otherwise, the length of the array MUST be odd" (12.4.3.3): the last node is then a leaf
    if len(nodes) % 2 == 0:
        raise PeerError("VAL-12.4.3.3-2", "the last node of the tree is a parent")
    level = (len(nodes) // 2).bit_length()
    return _subtree(suite, nodes, level, first=0)


def _subtree(suite: Suite, nodes: tuple[Node | None, ...], level: int, *, first: int) -> Subtree:
    if 2 * first >= len(nodes):
        return blank_subtree(suite, level, first)
    if level == 0:
        leaf = nodes[2 * first]
        if isinstance(leaf, ParentNode):
            raise PeerError("malformed", "a parent stands at the place of a leaf")
        return LeafSlot(suite, first, leaf)
    middle = first + (1 << (level - 1))
    place = 2 * middle - 1
    node = nodes[place] if place < len(nodes) else None
    if isinstance(node, LeafNode):
        raise PeerError("malformed", "a leaf stands at the place of a parent")
    left = _subtree(suite, nodes, level - 1, first=first)
    return Branch(suite, node, left, _subtree(suite, nodes, level - 1, first=middle))


def _in_order(subtree: Subtree) -> Iterator[bytes | None]:
    if isinstance(subtree, LeafSlot):
        yield None if subtree.node is None else bytes((LEAF,)) + subtree.node.encoded
        return
    yield from _in_order(subtree.left)
    yield None if subtree.node is None else bytes((PARENT,)) + subtree.node.encode()
    yield from _in_order(subtree.right)


def encode_tree(root: Subtree) -> bytes:
    """The `ratchet_tree` vector: no blank node after the last one that is not."""
    nodes = list(_in_order(root))
    while nodes and nodes[-1] is None:
        nodes.pop()
    return items(map(optional, nodes))


def tree_from_objects(suite: Suite, root_hash: bytes, objects: Mapping[bytes, bytes]) -> Subtree:
    """The root of the tree with that hash.

    A leaf's object names its index, so no object can stand at two places: what a few objects that
    refer to each other could blow up to is refused at the second place.
    """
    return _from_object(suite, root_hash, objects, first=0, room=DEEPEST)


def _from_object(
    suite: Suite, name: bytes, objects: Mapping[bytes, bytes], *, first: int, room: int
) -> Subtree:
    if name not in objects:
        raise PeerError("missing_object")
    data = objects[name]
    if suite.hash(data) != name:
        raise PeerError("bad_object", "an object of the tree does not have its hash")
    reader = Reader(data)
    kind = reader.u8()
    if kind == LEAF:
        return _leaf_from(suite, reader, first)
    if kind != PARENT or room == 0:
        raise PeerError("malformed", "the tree has no full shape")
    node = read_parent_node(reader) if reader.optional() else None
    left_hash, right_hash = reader.vector(), reader.vector()
    reader.done()
    left = _from_object(suite, left_hash, objects, first=first, room=room - 1)
    middle = first + (1 << left.level)
    right = _from_object(suite, right_hash, objects, first=middle, room=left.level)
    if right.level != left.level:
        raise PeerError("malformed", "the tree has no full shape")
    return Branch(suite, node, left, right)


def _leaf_from(suite: Suite, reader: Reader, first: int) -> Subtree:
    index = reader.u32()
    node = read_leaf_node(reader) if reader.optional() else None
    reader.done()
    if index != first:
        raise PeerError("malformed", "a leaf stands at the wrong place")
    return LeafSlot(suite, index, node)
