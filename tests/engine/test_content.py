"""engine.content: one form, bounded, padded; whatever else comes is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crypto.errors import PeerError, UsageError
from engine.content import (
    BUCKETS,
    Content,
    RoomSecret,
    Text,
    decode_body,
    decode_content,
    encode_body,
    encode_content,
    padding_for,
    text_body,
)
from wire.errors import Code, WireError

HELLO = Content(1, b"i" * 16, 1, 1000, 7, b"h" * 32, Text("hello"))
SECRET = replace(HELLO, body=RoomSecret(b"p" * 16, b"k" * 32))


@pytest.mark.parametrize("content", [HELLO, SECRET], ids=["text", "secret"])
def test_a_content_comes_back(content: Content) -> None:
    assert decode_content(encode_content(content)) == content
    assert decode_body(encode_body(content.body)) == content.body


def test_a_secret_has_no_repr() -> None:
    assert "kkk" not in repr(SECRET) + repr(SECRET.body)
    assert "hello" not in repr(HELLO)


@pytest.mark.parametrize(
    "bad",
    [
        replace(HELLO, version=2),
        replace(HELLO, id=b"short"),
        replace(HELLO, counter=0),
        replace(HELLO, hash=b""),
        replace(HELLO, position=-1),
        replace(HELLO, body=Text("")),
        replace(HELLO, body=Text("é" * 40_000)),
    ],
)
def test_what_breaks_a_bound_is_refused(bad: Content) -> None:
    with pytest.raises(PeerError, match="bad_content"):
        decode_content(encode_content(bad))


def test_other_forms_are_refused() -> None:
    data = encode_content(HELLO)
    longer = msgspec.msgpack.encode([*msgspec.msgpack.decode(data), "more"])
    unknown = msgspec.msgpack.encode([*msgspec.msgpack.decode(data)[:-1], [9, "x"]])
    # The same numbers, not in their shortest form.
    padded = data.replace(b"\x97\x01", b"\x97\xcc\x01", 1)
    for bad in (b"", b"\xc0", data + b"\x00", longer, unknown, padded, b"\x97" * 70_000):
        with pytest.raises(PeerError, match="bad_content"):
            decode_content(bad)
    with pytest.raises(UsageError):
        decode_body(b"\xc0")


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_no_bytes_bring_another_error(data: bytes) -> None:
    try:
        content = decode_content(data)
    except PeerError:
        return
    assert encode_content(content) == data


def test_texts_have_a_limit() -> None:
    assert text_body("x" * 65536) == Text("x" * 65536)
    for text, code in (
        ("x" * 65537, Code.TOO_LARGE),
        ("é" * 32769, Code.TOO_LARGE),
        ("", Code.BAD_REQUEST),
        ("\ud800", Code.BAD_REQUEST),
    ):
        with pytest.raises(WireError) as refused:
            text_body(text)
        assert refused.value.code is code


def test_a21_lengths_tell_a_bucket_only() -> None:
    sizes = {size + padding_for(size) for size in range(0, BUCKETS[-1] + 1, 7)}
    assert sizes == set(BUCKETS)
    longest = encode_content(replace(HELLO, body=Text("x" * 65536), counter=(1 << 63) - 1))
    assert len(longest) + padding_for(len(longest)) == BUCKETS[-1]
    with pytest.raises(UsageError):
        padding_for(BUCKETS[-1] + 1)
