"""Transaction ids: new ones, and those of scripts, as the 16 bytes that relay and log know.

Never a clock or randomness of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from wire.limits import ID_BYTES

_TIME_BYTES: Final = 6  # ms since 1970, until the year 10889


def fresh_number(random: Callable[[int], bytes], now_ms: int) -> bytes:
    """Return a new id: the time, then 10 random bytes.

    Ids of one time lie together in the relay's index, whoever made them (docs/decisions).
    """
    return now_ms.to_bytes(_TIME_BYTES) + random(ID_BYTES - _TIME_BYTES)


def number_of(text: str) -> bytes:
    """Return 32 hex digits as their 16 bytes, any other text as 16 bytes of its hash."""
    if len(text) == 2 * ID_BYTES:
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    return hashlib.sha256(b"transaction\0" + text.encode()).digest()[:ID_BYTES]
