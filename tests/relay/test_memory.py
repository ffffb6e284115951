"""Memory that was needed for a moment goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from tests.processes import ROOT

GROW = """
import ctypes, sys
from relay.memory import keep_small

def resident_kib():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmRSS"))

assert keep_small()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def blocks(size, count):
    made = [libc.malloc(size) for _ in range(count)]
    for each in made:
        libc.memset(each, 1, size)
    return made

for each in blocks(16 << 20, 1):  # what would raise glibc's thresholds
    libc.free(each)
before = resident_kib()
for each in reversed(blocks(64 << 10, 350)):
    libc.free(each)
print(resident_kib() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's memory alone is asked")
def test_what_was_needed_for_a_moment_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", GROW], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4 << 10
