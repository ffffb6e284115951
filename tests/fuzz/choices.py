"""Bytes of a fuzzer, read as decisions: where to change a message, and what it becomes.

The same bytes always make the same changes, so whatever a fuzzer finds can be played again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar, cast

from crypto.mls.codec import u16, vector
from crypto.mls.extensions import encode_extensions
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNode

T = TypeVar("T")

# What decoders and rules take for borders: vector headers, types, indexes, the widths of integers.
_BORDERS = (0, 1, 2, 3, 7, 8, 0x3F, 0x40, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31, 2**32 - 1, 2**64 - 1)
_LONGEST_RUN = 40
# Fields that repeat what stands in others.
_DERIVED = frozenset({"encoded", "said"})


class Choices:
    """A position in the fuzzer's bytes; zero for ever once they have run out.

    `known` are byte strings that mean something where they are not expected: others' keys, hashes.
    """

    def __init__(self, data: bytes, known: tuple[bytes, ...] = (b"",)) -> None:
        self._data = data
        self._at = 0
        self.known = known

    def byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, limit: int) -> int:
        """A number below `limit`, which is at least 1."""
        return (self.byte() if limit <= 256 else self.byte() << 8 | self.byte()) % limit

    def yes(self) -> bool:
        return self.byte() & 1 == 1

    def rarely(self) -> bool:
        return self.byte() & 7 == 7

    def one_of(self, things: tuple[T, ...] | list[T]) -> T:
        return things[self.below(len(things))]

    def take(self, size: int) -> bytes:
        """The next `size` bytes, or what is left of them."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def rest(self) -> bytes:
        return self.take(len(self._data))


def edited(data: bytes, choices: Choices) -> bytes:
    """The bytes with up to four changes that know nothing of their structure."""
    changed = bytearray(data)
    for _ in range(choices.below(5)):
        place = choices.below(len(changed) + 1)
        match choices.below(6):
            case 0:
                changed[place : place + 1] = choices.take(1)
            case 1:
                del changed[place : place + 1 + choices.below(_LONGEST_RUN)]
            case 2:
                changed[place:place] = choices.take(1 + choices.below(_LONGEST_RUN))
            case 3:
                changed[place : place + 1] = bytes((choices.one_of(_BORDERS) & 0xFF,))
            case 4:
                del changed[place:]
            case _:
                size = 1 + choices.below(_LONGEST_RUN)
                changed[place:place] = changed[place : place + size]
    return bytes(changed)


def mutated(value: T, choices: Choices) -> T:
    """The value with one field, somewhere inside, changed to another of its kind.

    Leaves and KeyPackages are encoded anew, with the signature that they had.
    """
    return cast(T, _mutated(value, choices))


def _mutated(value: Any, choices: Choices) -> Any:
    if isinstance(value, LeafNode):
        return encoded_anew(_with_a_field(value, choices, ("content", "signature")))
    if is_dataclass(value) and fields(value):
        names = tuple(f.name for f in fields(value) if f.init and f.name not in _DERIVED)
        return encoded_anew(_with_a_field(value, choices, names))
    return _of_kind(value)(value, choices)


def _with_a_field(value: Any, choices: Choices, names: tuple[str, ...]) -> Any:
    name = choices.one_of(names)
    return replace(value, **{name: _mutated(getattr(value, name), choices)})


def _of_kind(value: Any) -> Callable[[Any, Choices], Any]:
    for kind, change in _CHANGES:
        if isinstance(value, kind):
            return change
    return lambda same, _: same


def _another_member(value: Enum, choices: Choices) -> Enum:
    return choices.one_of(tuple(type(value)))


def _another_number(value: int, choices: Choices) -> int:
    match choices.below(4):
        case 0:
            return value + 1
        case 1:
            return max(value - 1, 0)
        case 2:
            return choices.byte()
        case _:
            return choices.one_of(_BORDERS)


def _other_bytes(value: bytes, choices: Choices) -> bytes:
    match choices.below(5):
        case 0:
            return b""
        case 1:
            return bytes(len(value))
        case 2:
            return choices.take(choices.byte())
        case 3:
            return choices.one_of(choices.known)
        case _:
            return edited(value, choices)


def _other_elements(value: tuple[Any, ...], choices: Choices) -> tuple[Any, ...]:
    if not value:
        return value
    place, other = choices.below(len(value)), choices.below(len(value))
    match choices.below(6):
        case 0:
            return (*value[:place], *value[place + 1 :])
        case 1:
            return (*value[:place], value[other], *value[place:])
        case 2:
            swapped = list(value)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            return tuple(swapped)
        case _:
            return (*value[:place], _mutated(value[place], choices), *value[place + 1 :])


_CHANGES: tuple[tuple[type, Callable[[Any, Choices], Any]], ...] = (
    (Enum, _another_member),
    (int, _another_number),
    (bytes, _other_bytes),
    (tuple, _other_elements),
)


def encoded_anew(value: T) -> T:
    """A leaf or KeyPackage whose bytes follow its fields again."""
    if isinstance(value, LeafNode):
        encoded = value.content.encode() + vector(value.signature)
        return cast(T, replace(value, encoded=encoded))
    if isinstance(value, KeyPackage):
        return cast(T, replace(value, encoded=signed_part(value) + vector(value.signature)))
    return value


def signed_part(package: KeyPackage) -> bytes:
    """What the signature of a KeyPackage covers, from its fields. RFC 9420, section 10."""
    head = u16(package.version) + u16(package.suite_number) + vector(package.init_key)
    return head + package.leaf_node.encoded + encode_extensions(package.extensions)
