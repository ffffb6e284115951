"""Reads and writes the presentation language of MLS: integers, vectors, optional values.

Never interprets what it reads, never recurses, and never copies more than the bytes asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from struct import Struct, unpack
from typing import TypeVar, overload

from crypto.errors import PeerError, UsageError

T = TypeVar("T")

# Unsigned integers of one, two, four and eight bytes, big-endian; the value must fit.
u8: Callable[[int], bytes] = Struct(">B").pack
u16: Callable[[int], bytes] = Struct(">H").pack
u32: Callable[[int], bytes] = Struct(">I").pack
u64: Callable[[int], bytes] = Struct(">Q").pack

# The three prefixes of a variable-size length header that section 2.1.2 allows; 0b11 is invalid.
_LONGEST_ONE_BYTE = 0x3F
_LONGEST_TWO_BYTES = 0x3FFF
LONGEST_VECTOR = 0x3FFFFFFF
# Nearly every vector of a message is short: its header is looked up, not packed.
_SHORT_HEADERS = tuple(bytes((size,)) for size in range(_LONGEST_ONE_BYTE + 1))


class Reader:
    """A position in bytes that came from outside.

    Every method consumes exactly what it returns or raises PeerError("malformed"). Section 2.1.
    """

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data if type(data) is bytes else bytes(data)
        self._position = 0
        self._end = len(self._data)

    @property
    def position(self) -> int:
        """Bytes consumed so far."""
        return self._position

    @property
    def remaining(self) -> int:
        """Bytes not consumed yet."""
        return self._end - self._position

    def since(self, position: int) -> bytes:
        """The bytes consumed since an earlier `position`: how a struct keeps its own encoding."""
        return self._data[position : self._position]

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes."""
        start = self._position
        stop = start + size
        if size < 0 or stop > self._end:
            raise PeerError("malformed", "the data ends too early")
        self._position = stop
        return self._data[start:stop]

    def u8(self) -> int:
        """An unsigned integer of one byte."""
        start = self._position
        if start >= self._end:
            raise PeerError("malformed", "the data ends too early")
        self._position = start + 1
        return self._data[start]

    def u16(self) -> int:
        """An unsigned big-endian integer of two bytes."""
        start = self._position
        if start + 2 > self._end:
            raise PeerError("malformed", "the data ends too early")
        self._position = start + 2
        return self._data[start] << 8 | self._data[start + 1]

    def u32(self) -> int:
        """An unsigned big-endian integer of four bytes."""
        return int.from_bytes(self.take(4))

    def u64(self) -> int:
        """An unsigned big-endian integer of eight bytes."""
        return int.from_bytes(self.take(8))

    def length(self) -> int:
        """A variable-size vector's length header, not compared with what follows. Section 2.1.2."""
        first = self.u8()
        prefix = first >> 6
        if prefix == 0:
            return first
        if prefix == 1:
            value, shortest = (first & 0x3F) << 8 | self.u8(), _LONGEST_ONE_BYTE + 1
        elif prefix == 2:
            value = (first & 0x3F) << 24 | int.from_bytes(self.take(3))
            shortest = _LONGEST_TWO_BYTES + 1
        else:  # VAL-2.1.2-2: 'Vectors that start with the prefix "11" are invalid' (2.1.2)
            raise PeerError("malformed", "a length header starts with the invalid prefix")
        # VAL-2.1.2-1: "values using more bits than necessary MUST be treated as malformed" (2.1.2)
        if value < shortest:
            raise PeerError("malformed", "a length header is longer than necessary")
        return value

    def vector(self) -> bytes:
        """An `opaque<V>`: the content, without its length header."""
        start = self._position
        if start < self._end:
            size = self._data[start]
            stop = start + 1 + size
            if size <= _LONGEST_ONE_BYTE and stop <= self._end:
                self._position = stop
                return self._data[start + 1 : stop]
        return self.take(self.length())

    def skip_vectors(self, count: int) -> None:
        """Pass over that many vectors."""
        data, position, end = self._data, self._position, self._end
        for _ in range(count):
            size = data[position] if position < end else 0
            if position < end and size <= _LONGEST_ONE_BYTE:
                position += 1 + size
            else:
                self._position = position
                size = self.length()
                position = self._position + size
        if position > end:
            raise PeerError("malformed", "the data ends too early")
        self._position = position

    def u16s(self) -> tuple[int, ...]:
        """A `uint16 numbers<V>`."""
        return self._numbers("H", 2)

    def u32s(self) -> tuple[int, ...]:
        """A `uint32 numbers<V>`."""
        return self._numbers("I", 4)

    def _numbers(self, kind: str, size: int) -> tuple[int, ...]:
        encoded = self.vector()
        count, left = divmod(len(encoded), size)
        if left:
            raise PeerError("malformed", "a list of numbers ends within one")
        return unpack(f">{count}{kind}", encoded)

    def optional(self) -> bool:
        """The presence octet of an `optional<T>`: True when the value follows. Section 2.1.1."""
        present = self.u8()
        # VAL-2.1.1-1: "a value other than 0 or 1 MUST be rejected as malformed" (2.1.1)
        if present > 1:
            raise PeerError("malformed", "a presence octet is neither 0 nor 1")
        return present == 1

    def items(self, read: Callable[["Reader"], T]) -> tuple[T, ...]:
        """A `T<V>`: every element of a vector, each read by `read`, which must consume bytes."""
        inner = Reader(self.vector())
        found: list[T] = []
        while inner.remaining:
            found.append(read(inner))
        return tuple(found)

    def late_items(self, read: Callable[["Reader"], T], *, vectors: int) -> "LateItems[T]":
        """A `T<V>` whose elements are that many vectors each: well formed, decoded when asked for.

        A large Commit or Welcome carries an element for each of many members, who need one each.
        """
        inner = Reader(self.vector())
        starts: list[int] = []
        while inner.remaining:
            starts.append(inner.position)
            inner.skip_vectors(vectors)
        return LateItems(inner._data, starts, read)

    def rest(self) -> bytes:
        """Everything not consumed yet; nothing remains after it."""
        return self.take(self.remaining)

    def done(self) -> None:
        """Raise unless everything has been consumed."""
        if self._position != self._end:
            raise PeerError("malformed", "bytes are left over")


class LateItems(Sequence[T]):
    """The elements of a list as they came, each decoded anew when it is asked for."""

    __slots__ = ("_encoded", "_read", "_starts")

    def __init__(self, encoded: bytes, starts: list[int], read: Callable[[Reader], T]) -> None:
        self._encoded, self._starts, self._read = encoded, starts, read

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(len(self))[place])
        place = range(len(self))[place]
        bounds = (*self._starts[place : place + 2], len(self._encoded))
        return self._read(Reader(self._encoded[bounds[0] : bounds[1]]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def length_header(size: int) -> bytes:
    """The shortest header for a vector of `size` bytes: 1, 2 or 4 bytes.

    Raises UsageError above 2^30 - 1 bytes. Section 2.1.2.
    """
    if size <= _LONGEST_ONE_BYTE:
        return _SHORT_HEADERS[size]
    if size <= _LONGEST_TWO_BYTES:
        return u16(0x4000 | size)
    if size <= LONGEST_VECTOR:
        return u32(0x80000000 | size)
    raise UsageError("a vector holds fewer than 2^30 bytes")


def vector(content: bytes) -> bytes:
    """An `opaque<V>`: the content behind its length header."""
    size = len(content)
    header = _SHORT_HEADERS[size] if size <= _LONGEST_ONE_BYTE else length_header(size)
    return header + content


def items(encoded: Iterable[bytes]) -> bytes:
    """A `T<V>`: elements that are already encoded, behind one length header."""
    return vector(b"".join(encoded))


def optional(encoded: bytes | None) -> bytes:
    """An `optional<T>`: the presence octet, then the value (already encoded) if there is one."""
    return b"\x00" if encoded is None else b"\x01" + encoded


def decode_all(data: bytes, read: Callable[[Reader], T]) -> T:
    """One value that fills `data` exactly; anything left over is PeerError("malformed")."""
    reader = Reader(data)
    value = read(reader)
    reader.done()
    return value
