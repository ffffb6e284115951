"""Write the few DER forms that a certificate of ours consists of, and step over received ones.

Never judges what it reads beyond its own length: the caller encodes the fields anew and compares.
"""

from typing import Final

from crypto.errors import PeerError

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
OBJECT_IDENTIFIER: Final = 0x06
UTF8_STRING: Final = 0x0C
PRINTABLE_STRING: Final = 0x13
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
SEQUENCE: Final = 0x30
SET: Final = 0x31
BOOLEAN_TRUE: Final = b"\x01\x01\xff"
NULL: Final = b"\x05\x00"


def encode(tag: int, *parts: bytes) -> bytes:
    """Tag, shortest definite length, and the concatenated `parts` (X.690, section 10.1)."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def context(number: int, *parts: bytes) -> bytes:
    """A constructed context-specific value, ``[number]``."""
    return encode(0xA0 | number, *parts)


def integer(value: int) -> bytes:
    """A non-negative INTEGER in its shortest form."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bit_string(content: bytes, unused_bits: int = 0) -> bytes:
    """A BIT STRING whose last `unused_bits` bits do not count."""
    return encode(BIT_STRING, bytes((unused_bits,)), content)


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, *(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | (arc & 0x7F))
    return bytes(reversed(digits))


class Reader:
    """Reads values of known tags, one after the other; raises PeerError("bad_certificate")."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def element(self, tag: int) -> bytes:
        """The next value with its tag and length, which must have this `tag`."""
        start = self._at
        _, self._at = self._bounds(tag)
        return self._data[start : self._at]

    def content(self, tag: int) -> bytes:
        """The content of the next value, which must have this `tag`."""
        start, self._at = self._bounds(tag)
        return self._data[start : self._at]

    def inside(self, tag: int) -> "Reader":
        """A reader of the next value's content, which must have this `tag`."""
        return Reader(self.content(tag))

    def done(self) -> None:
        """Refuse anything that is left over."""
        if self._at != len(self._data):
            raise PeerError("bad_certificate", "bytes are left over")

    def _bounds(self, tag: int) -> tuple[int, int]:
        header = self._data[self._at : self._at + 2]
        if len(header) < 2 or header[0] != tag:
            raise PeerError("bad_certificate", "another form was expected")
        content_at, size = self._at + 2, header[1]
        if size >= 0x80:
            # Two length bytes are enough for everything that the size limit lets in.
            count = size & 0x7F
            if not 1 <= count <= 2:
                raise PeerError("bad_certificate", "a length is out of bounds")
            size = int.from_bytes(self._data[content_at : content_at + count], "big")
            content_at += count
        end = content_at + size
        if end > len(self._data):
            raise PeerError("bad_certificate", "cut short")
        return content_at, end
