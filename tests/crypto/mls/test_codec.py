"""The presentation language: what is read is what was written, and nothing else is read."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import PeerError, UsageError
from crypto.mls import codec
from crypto.mls.codec import Reader, decode_all


@pytest.mark.parametrize(
    ("header", "length"), [("9d7f3e7d", 494878333), ("7bbd", 15293), ("25", 37)]
)
def test_the_examples_of_the_rfc(header: str, length: int) -> None:
    assert decode_all(bytes.fromhex(header), Reader.length) == length
    assert codec.length_header(length).hex() == header


@pytest.mark.parametrize("size", [0, 1, 63, 64, 16383, 16384, 2**30 - 1])
def test_length_headers_are_the_shortest(size: int) -> None:
    header = codec.length_header(size)
    assert decode_all(header, Reader.length) == size
    assert len(header) == (1 if size < 64 else 2 if size < 16384 else 4)


@pytest.mark.parametrize(
    "header", ["4000", "403f", "80000000", "80003fff", "c0", "ffffffff", "", "40", "800040"]
)
def test_longer_invalid_and_cut_headers_are_malformed(header: str) -> None:
    with pytest.raises(PeerError) as caught:
        Reader(bytes.fromhex(header)).length()
    assert caught.value.code == "malformed"


def test_too_long_a_vector_is_our_mistake() -> None:
    with pytest.raises(UsageError):
        codec.length_header(2**30)


def test_a_vector_longer_than_the_data_is_malformed_before_anything_is_copied() -> None:
    with pytest.raises(PeerError) as caught:
        Reader(codec.length_header(2**30 - 1) + b"x").vector()
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("octet", [2, 128, 255])
def test_a_presence_octet_is_0_or_1(octet: int) -> None:
    with pytest.raises(PeerError) as caught:
        Reader(bytes((octet,))).optional()
    assert caught.value.code == "malformed"


def test_left_over_bytes_are_malformed() -> None:
    with pytest.raises(PeerError) as caught:
        decode_all(b"\x01\x02", Reader.u8)
    assert caught.value.code == "malformed"


def test_nothing_is_taken_backwards() -> None:
    with pytest.raises(PeerError):
        Reader(b"abc").take(-1)


def test_a_cut_element_inside_a_vector_is_malformed() -> None:
    with pytest.raises(PeerError) as caught:
        Reader(codec.vector(b"\x00\x01\x02")).items(Reader.u16)
    assert caught.value.code == "malformed"


def test_positions_name_what_was_read() -> None:
    reader = Reader(b"\x01\x02\x03\x04")
    reader.u8()
    start = reader.position
    reader.u16()
    assert (reader.since(start), reader.remaining, reader.rest()) == (b"\x02\x03", 1, b"\x04")
    reader.done()


@settings(max_examples=60)
@given(
    st.integers(0, 2**8 - 1),
    st.integers(0, 2**16 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.lists(st.binary(max_size=70), max_size=5),
    st.none() | st.binary(max_size=70),
)
def test_what_is_written_is_read_again(
    a: int, b: int, c: int, d: int, many: list[bytes], maybe: bytes | None
) -> None:
    numbers = codec.u8(a) + codec.u16(b) + codec.u32(c) + codec.u64(d)
    listed = codec.items(map(codec.vector, many))
    optional = codec.optional(None if maybe is None else codec.vector(maybe))
    reader = Reader(memoryview(numbers + listed + optional))
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (a, b, c, d)
    assert reader.items(Reader.vector) == tuple(many)
    assert (reader.vector() if reader.optional() else None) == maybe
    reader.done()


def _fault(read: Callable[[Reader], object], data: bytes) -> str:
    try:
        decode_all(data, read)
    except PeerError as error:
        return error.code
    return "malformed"


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_a66_any_bytes_are_read_or_malformed(data: bytes) -> None:
    for read in (Reader.u64, Reader.vector, Reader.optional, lambda r: r.items(Reader.vector)):
        assert _fault(read, data) == "malformed"
