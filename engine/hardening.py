"""Keeps this process's memory out of core dumps and away from other processes of the same person.

Never fails a start: a system that does not offer one of the protections runs without it.
"""

from __future__ import annotations

import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden_process() -> None:
    """Forbid core dumps, and on Linux reading /proc/PID/mem and attaching with ptrace.

    Call it before the first key is in memory. Threads and children made later inherit the limit.
    """
    if sys.platform == "win32":
        return  # no core files; error reports keep no full memory unless an administrator says so
    import resource

    # The hard limit too: nothing that runs here later can raise it again.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _forbid_tracing()


def _forbid_tracing() -> None:
    # A core_pattern that pipes to a program ignores RLIMIT_CORE; this it does not ignore.
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
