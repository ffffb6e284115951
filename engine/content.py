"""What is inside a message, and how long the message looks from outside.

Never encrypts, and never decides whether a content is new: engine/reading.py does.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from crypto.errors import PeerError, UsageError
from wire.entry import Id, Key, Seq
from wire.errors import Code, WireError
from wire.fields import TimeMs
from wire.limits import MAX_TEXT_BYTES

CONTENT_VERSION: Final = 1
# Sizes, in bytes, that contents are padded to: an onlooker learns the bucket, not the length. The
# last one holds the longest text with everything that stands around it.
BUCKETS: Final = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768, MAX_TEXT_BYTES + 1024)


class Text(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """What a person or a bot wrote."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES)]


class RoomSecret(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The key of a password room's next lock, told to the members before the lock is changed."""

    psk_id: Id
    psk: Key

    def __repr__(self) -> str:
        return "RoomSecret(...)"


Body: TypeAlias = Text | RoomSecret


class Content(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a sender signs and encrypts, besides the entry's description (wire.entry.EntryData).

    `id` is the entry's transaction id; `counter` goes up by one with each content that this device
    sends in this conversation; `position` is the last log number that the sender had processed and
    `hash` the running hash after it (engine/running_hash.py).
    """

    version: Annotated[int, Meta(ge=CONTENT_VERSION, le=CONTENT_VERSION)]
    id: Id
    counter: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
    sent_at_ms: TimeMs
    position: Seq
    hash: Key
    body: Body

    def __repr__(self) -> str:
        return "Content(...)"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Content)
_body_decoder: msgspec.msgpack.Decoder[Body] = msgspec.msgpack.Decoder(Body)


def text_body(text: str) -> Text:
    """Return the body for a text; raise WireError(too_large, bad_request)."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise WireError(Code.BAD_REQUEST, "The text is not valid Unicode; not sent.") from None
    if size > MAX_TEXT_BYTES:
        limit = MAX_TEXT_BYTES // 1024
        raise WireError(Code.TOO_LARGE, f"A message holds at most {limit} KiB; send it in parts.")
    if not text:
        raise WireError(Code.BAD_REQUEST, "There is no text to send.")
    return Text(text)


def encode_body(body: Body) -> bytes:
    """Return the form in which a body waits in the outbox."""
    return _encoder.encode(body)


def decode_body(data: bytes) -> Body:
    """Return a body from the outbox; UsageError when the store holds something else."""
    try:
        return _body_decoder.decode(data)
    except msgspec.DecodeError:
        raise UsageError("the outbox holds a body of another kind") from None


def encode_content(content: Content) -> bytes:
    """Return the plaintext of a message, not yet padded."""
    return _encoder.encode(content)


def decode_content(data: bytes) -> Content:
    """Return what a member sent; raise PeerError("bad_content") for anything else.

    The form is canonical: bytes that do not encode back to themselves are refused.
    """
    if len(data) > BUCKETS[-1]:
        raise PeerError("bad_content", "too long")
    try:
        content = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise PeerError("bad_content", "not a content of this version") from None
    if _encoder.encode(content) != data:
        raise PeerError("bad_content", "not in its one form")
    if isinstance(content.body, Text) and len(content.body.text.encode()) > MAX_TEXT_BYTES:
        raise PeerError("bad_content", "the text is too long")
    return content


def padding_for(size: int) -> int:
    """Return how many bytes to add to a plaintext of `size` bytes so that it fills its bucket."""
    for bucket in BUCKETS:
        if size <= bucket:
            return bucket - size
    raise UsageError("the content is larger than any bucket")
