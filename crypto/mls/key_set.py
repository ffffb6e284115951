"""A set of byte strings that is never changed in place: a new version shares most with the old.

Never holds a secret: public keys only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

_BITS = 4
_MASK = (1 << _BITS) - 1
# A node maps four bits of an element's hash to a node, or to the only element that has them.
_Node: TypeAlias = dict[int, "bytes | _Node"]


@dataclass(frozen=True, slots=True, eq=False)
class KeySet:
    """An immutable set; `add`, `remove` and `in` take O(log n).

    It branches by Python's hash of bytes, which is keyed afresh in each process, so nobody can
    choose elements that fall together.
    """

    _root: _Node = field(default_factory=dict, repr=False)

    def __contains__(self, element: bytes) -> bool:
        node, digest = self._root, hash(element)
        while True:
            below = node.get(digest & _MASK)
            if not isinstance(below, dict):
                return below == element
            node, digest = below, digest >> _BITS

    def add(self, elements: Iterable[bytes]) -> "KeySet":
        """The set with more elements; KeyError when one is there already."""
        root = dict(self._root)
        ours = {id(root)}
        for element in elements:
            _insert(root, element, ours)
        return KeySet(root)

    def remove(self, element: bytes) -> "KeySet":
        """The set without an element; KeyError when it is not there."""
        return KeySet(_removed(self._root, element, shift=0))


def _slot(element: bytes, shift: int) -> int:
    return hash(element) >> shift & _MASK


def _insert(node: _Node, element: bytes, ours: set[int]) -> None:
    """Put an element below a node that may be changed, as may all nodes whose id is in `ours`."""
    digest, shift = hash(element), 0
    while (below := node.get(digest >> shift & _MASK)) is not None:
        if below == element:
            raise KeyError("already in the set")
        if not isinstance(below, dict):
            below = {_slot(below, shift + _BITS): below}
        elif id(below) not in ours:
            below = dict(below)
        ours.add(id(below))
        node[digest >> shift & _MASK] = below
        node, shift = below, shift + _BITS
    node[digest >> shift & _MASK] = element


def _removed(node: _Node, element: bytes, *, shift: int) -> _Node:
    slot = _slot(element, shift)
    below = node.get(slot)
    if isinstance(below, dict):
        smaller = _removed(below, element, shift=shift + _BITS)
        if smaller:
            return node | {slot: smaller}
    elif below != element:
        raise KeyError("not in the set")
    return {other: kept for other, kept in node.items() if other != slot}
