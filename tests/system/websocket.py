"""WebSocket frames (RFC 6455) as bytes, for tests that speak to a relay without our client.

Never fragments and never compresses.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
_MAX = 4 << 20


@dataclass(frozen=True)
class RawFrame:
    """`first`: FIN, RSV bits and opcode as they stood on the line; `payload` is unmasked."""

    first: int
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F


async def read_frame(reader: asyncio.StreamReader) -> RawFrame:
    """Return the next frame; raise asyncio.IncompleteReadError at the end."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2))
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8))
    assert size <= _MAX, f"a frame of {size} bytes"
    key = await reader.readexactly(4) if second & 0x80 else b""
    payload = await reader.readexactly(size)
    return RawFrame(first, _masked(payload, key) if key else payload)


def write_frame(payload: bytes, *, mask: bool, first: int = 0x80 | BINARY) -> bytes:
    """Return one frame; a client's is masked, here with zeros, which any server must take."""
    size = len(payload)
    if size < 126:
        head = bytes([size])
    elif size < 1 << 16:
        head = bytes([126]) + size.to_bytes(2)
    else:
        head = bytes([127]) + size.to_bytes(8)
    if mask:
        head = bytes([head[0] | 0x80]) + head[1:] + bytes(4)
    return bytes([first]) + head + payload


def _masked(payload: bytes, key: bytes) -> bytes:
    size = len(payload)
    pad = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(size)


def upgrade_request(server: str, **headers: str) -> bytes:
    """Return the request that opens a WebSocket; `headers` are added or replace ours."""
    fields = {
        "Host": server,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    } | headers
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET / HTTP/1.1\r\n{lines}\r\n".encode()
