"""Reads the stored form of a tree: each node's TreeHashInput, named by its hash. RFC 9420, 7.8.

Never builds a tree and never checks a leaf: it only finds which objects belong to a root.
"""

from collections.abc import Mapping

from crypto.errors import PeerError
from crypto.mls.codec import Reader

LEAF = 1
PARENT = 2
# A leaf index has 32 bits, so no path down a tree is longer.
DEEPEST = 32


def object_children(object: bytes) -> tuple[bytes, ...]:
    """The hashes of both children of a parent's object, none for a leaf's; left comes first.

    Raises PeerError("malformed").
    """
    reader = Reader(object)
    kind = reader.u8()
    if kind == LEAF:
        return ()
    if kind != PARENT:
        raise PeerError("malformed", "neither a leaf nor a parent")
    if reader.optional():
        # encryption_key, parent_hash, unmerged_leaves: three vectors
        reader.skip_vectors(3)
    children = (reader.vector(), reader.vector())
    reader.done()
    return children


def missing_objects(root_hash: bytes, objects: Mapping[bytes, bytes]) -> set[bytes]:
    """The hashes that are referred to from the root down and are not among `objects`.

    Empty when the tree is complete. Each round of a breadth-first walk asks for these.
    """
    missing: set[bytes] = set()
    seen = {root_hash}
    level = [root_hash]
    for _ in range(DEEPEST + 1):
        below: list[bytes] = []
        for name in level:
            if name in objects:
                below += [child for child in object_children(objects[name]) if child not in seen]
                seen.update(below)
            else:
                missing.add(name)
        level = below
    return missing
