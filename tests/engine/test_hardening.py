"""engine.hardening: a crash leaves no memory on the disk (attack 53)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = """
import os, resource, signal, sys
soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[1] == "hardened":
    from engine.hardening import harden_process
    harden_process()
os.kill(os.getpid(), signal.SIGSEGV)
"""

STATE = """
import ctypes, os, resource
from engine.hardening import harden_process
harden_process()
harden_process()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def _crash(folder: Path, how: str) -> int:
    """Let a process crash with `folder` as its working folder, and return its wait status."""
    environment = {"PYTHONPATH": os.getcwd(), "PATH": os.environ["PATH"]}
    child = subprocess.Popen([sys.executable, "-c", CRASH, how], cwd=folder, env=environment)
    _, status = os.waitpid(child.pid, 0)
    child.returncode = -os.WTERMSIG(status)
    assert os.WTERMSIG(status) == signal.SIGSEGV
    return status


@pytest.mark.skipif(sys.platform == "win32", reason="no core files")
def test_a53_a_crash_leaves_no_core(tmp_path: Path) -> None:
    status = _crash(tmp_path, "hardened")
    assert not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_a53_memory_is_closed_to_other_processes() -> None:
    command = [sys.executable, "-c", STATE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no core files")
def test_a53_the_crash_would_leave_one_otherwise(tmp_path: Path) -> None:
    if not os.WCOREDUMP(_crash(tmp_path, "as it is")):
        pytest.skip("this system writes no core files")
