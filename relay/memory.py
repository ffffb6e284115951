"""What the relay asks of the C library's memory: to give back what handshakes needed for a moment.

Never anything that a program has to know: elsewhere than on Linux with glibc nothing is asked.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# mallopt(3). By itself glibc raises both with the largest block that was ever freed, up to 64 MiB,
# and keeps that much: a third of what each of many idle connections took.
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 << 10
_MAPPED_FROM_BYTES: Final = 128 << 10


def keep_small() -> bool:
    """Have free memory given back to the system; return whether that could be asked for."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    wanted = (
        (_M_MMAP_THRESHOLD, _MAPPED_FROM_BYTES),
        (_M_TRIM_THRESHOLD, _KEPT_BYTES),
        (_M_TOP_PAD, _KEPT_BYTES),
    )
    answers = {mallopt(name, value) for name, value in wanted}  # each asked, whatever the others
    return answers == {1}
