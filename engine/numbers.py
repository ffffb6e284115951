"""Transaction ids of scripts as the 16 bytes that the relay and the log know.

Never makes one up: who has none gets a random one (engine/messenger.py).
"""

from __future__ import annotations

import hashlib

from wire.limits import ID_BYTES


def number_of(text: str) -> bytes:
    """Return 32 hex digits as their 16 bytes, any other text as 16 bytes of its hash."""
    if len(text) == 2 * ID_BYTES:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    return hashlib.sha256(b"transaction\0" + text.encode()).digest()[:ID_BYTES]
