"""A sequence that is never changed in place: a new version shares all but one path with the old.

Never copies values, and never keeps storage for stretches that hold nothing (None).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_BITS = 5
_WIDTH = 1 << _BITS
_MASK = _WIDTH - 1
_NOTHING: tuple[Any, ...] = (None,) * _WIDTH

# A node is a tuple of 32 nodes, or of 32 values at the bottom, or None where all below is None.
_Node = tuple[Any, ...] | None


class PersistentVector(Generic[T]):
    """An immutable sequence of values or None, as a radix-32 trie.

    `set` and `resized` return another vector in O(log n) time and memory, `[i]` takes O(log n).
    None is "nothing here": `PersistentVector.empty(10**9)` costs nothing. Indexes are never
    negative. Two vectors are equal when they are the same object; compare contents as tuples.
    """

    __slots__ = ("_root", "_shift", "_size")

    def __init__(self, values: Iterable[T | None] = ()) -> None:
        level: list[Any] = list(values)
        self._size = len(level)
        self._shift = 0
        level = _grouped(level)
        while len(level) > 1:
            level = _grouped(level)
            self._shift += _BITS
        self._root: _Node = level[0] if level else None

    @classmethod
    def empty(cls, size: int) -> "PersistentVector[T]":
        """A vector of `size` times None."""
        return cls._of(None, _shift_for(size), size)

    @classmethod
    def _of(cls, root: _Node, shift: int, size: int) -> "PersistentVector[T]":
        vector = cls.__new__(cls)
        vector._root, vector._shift, vector._size = root, shift, size
        return vector

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> T | None:
        if not 0 <= index < self._size:
            raise IndexError(index)
        node = self._root
        for shift in range(self._shift, -1, -_BITS):
            if node is None:
                return None
            node = node[index >> shift & _MASK]
        return cast("T | None", node)

    def set(self, index: int, value: T | None) -> "PersistentVector[T]":
        """The same sequence with another value at one index."""
        if not 0 <= index < self._size:
            raise IndexError(index)
        root = _replaced(self._root, self._shift, index, value)
        return self._of(root, self._shift, self._size)

    def append(self, value: T | None) -> "PersistentVector[T]":
        """The same sequence with one more value at its end."""
        return self.resized(self._size + 1).set(self._size, value)

    def resized(self, size: int) -> "PersistentVector[T]":
        """The first `size` values, followed by None where there are fewer."""
        root, shift, wanted = self._root, self._shift, _shift_for(size)
        if size < self._size:
            root = _truncated(root, shift, size)
        while shift < wanted:
            root = None if root is None else (root, *_NOTHING[1:])
            shift += _BITS
        while shift > wanted:
            root = None if root is None else root[0]
            shift -= _BITS
        return self._of(root, shift, size)

    def __iter__(self) -> Iterator[T | None]:
        position = 0
        for index, value in self.items():
            while position < index:
                yield None
                position += 1
            yield value
            position += 1
        while position < self._size:
            yield None
            position += 1

    def items(self) -> Iterator[tuple[int, T]]:
        """Index and value of everything that is not None, in order, skipping empty stretches."""
        return _items(self._root, self._shift, 0)

    def changed(self, since: "PersistentVector[T]") -> Iterator[int]:
        """The indexes at which this vector and an earlier one do not hold the same object.

        Indexes that only one of the two has count when they hold a value there. Stretches that the
        two share are not visited.
        """
        shift = max(self._shift, since._shift)
        mine, theirs = _lifted(self, shift), _lifted(since, shift)
        return _changed(mine, theirs, shift, 0)

    def __repr__(self) -> str:
        return f"PersistentVector(size={self._size})"


def _shift_for(size: int) -> int:
    shift = 0
    while size > 1 << (shift + _BITS):
        shift += _BITS
    return shift


def _grouped(level: list[Any]) -> list[Any]:
    groups: list[Any] = []
    for start in range(0, len(level), _WIDTH):
        group = tuple(level[start : start + _WIDTH])
        group += _NOTHING[len(group) :]
        groups.append(None if group == _NOTHING else group)
    return groups


def _replaced(node: _Node, shift: int, index: int, value: object) -> _Node:
    slots = list(_NOTHING if node is None else node)
    slot = index >> shift & _MASK
    slots[slot] = value if shift == 0 else _replaced(slots[slot], shift - _BITS, index, value)
    return None if slots[slot] is None and _is_empty(slots) else tuple(slots)


def _is_empty(slots: list[Any]) -> bool:
    return all(slot is None for slot in slots)


def _truncated(node: _Node, shift: int, size: int) -> _Node:
    if node is None or size <= 0:
        return None
    slot = (size - 1) >> shift & _MASK
    edge = node[slot] if shift == 0 else _truncated(node[slot], shift - _BITS, size)
    slots = [*node[:slot], edge, *_NOTHING[slot + 1 :]]
    return None if _is_empty(slots) else tuple(slots)


def _lifted(vector: PersistentVector[T], shift: int) -> _Node:
    root = vector._root
    for _ in range(vector._shift, shift, _BITS):
        root = None if root is None else (root, *_NOTHING[1:])
    return root


def _items(node: _Node, shift: int, base: int) -> Iterator[tuple[int, Any]]:
    if node is None:
        return
    for slot, below in enumerate(node):
        if below is None:
            continue
        index = base | slot << shift
        if shift == 0:
            yield index, below
        else:
            yield from _items(below, shift - _BITS, index)


def _changed(mine: _Node, theirs: _Node, shift: int, base: int) -> Iterator[int]:
    if mine is theirs:
        return
    pairs = zip(mine or _NOTHING, theirs or _NOTHING, strict=True)
    for slot, (new, old) in enumerate(pairs):
        if new is old:
            continue
        index = base | slot << shift
        if shift == 0:
            yield index
        else:
            yield from _changed(new, old, shift - _BITS, index)
