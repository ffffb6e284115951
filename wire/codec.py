"""Frames to bytes and back: the one place where msgpack from the network is decoded.

Never accepts an unknown field, a wrong type or a size over the limits; raises WireError only.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from wire.errors import Code, WireError
from wire.limits import MAX_FRAME_BYTES
from wire.pushes import Push
from wire.replies import Reply
from wire.requests import Request

Frame: TypeAlias = Request | Reply | Push

_encoder = msgspec.msgpack.Encoder()
_request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_relay_decoder: msgspec.msgpack.Decoder[Reply | Push] = msgspec.msgpack.Decoder(Reply | Push)


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes; raise WireError(too_large) when they exceed one frame."""
    data = _encoder.encode(frame)
    if len(data) > MAX_FRAME_BYTES:
        raise WireError(Code.TOO_LARGE, "That is too large to send at once.")
    return data


def decode_request(data: bytes | memoryview) -> Request:
    """Return what a client sent; raise WireError(bad_request or too_large)."""
    _check_size(data)
    try:
        return _request_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WireError(Code.BAD_REQUEST, "The frame is malformed.") from None


def decode_from_relay(data: bytes | memoryview) -> Reply | Push:
    """Return what a relay sent; raise WireError(bad_request or too_large)."""
    _check_size(data)
    try:
        return _relay_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WireError(Code.BAD_REQUEST, "The relay sent a malformed frame.") from None


def _check_size(data: bytes | memoryview) -> None:
    if len(data) > MAX_FRAME_BYTES:
        raise WireError(Code.TOO_LARGE, "The frame is too large.")
