"""A frame of ours as the WebSocket message that carries it (RFC 6455, section 5.2).

Never masks (a server does not), never compresses, never fragments.
"""

from __future__ import annotations

from typing import Final

from wire.codec import Frame, encode

_FINAL_BINARY: Final = 0x82
_SHORT: Final = 126
_MEDIUM: Final = 1 << 16


def pack(frame: Frame) -> bytes:
    """Return the bytes to write; raise WireError(too_large) when they exceed one frame."""
    data = encode(frame)
    length = len(data)
    if length < _SHORT:
        return bytes((_FINAL_BINARY, length)) + data
    if length < _MEDIUM:
        return bytes((_FINAL_BINARY, 126)) + length.to_bytes(2, "big") + data
    return bytes((_FINAL_BINARY, 127)) + length.to_bytes(8, "big") + data
