"""How long a program takes from its start to its first use, and what an idle relay weighs.

Prints medians in ms and MB, over processes that start one after another on warm files.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

from tests.processes import ROOT, JsonClient, Relay, environment

RUNS = 7


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        relay = Relay(folder)
        _show("server.py listens", lambda: _start_relay(relay), "ms")
        with relay:
            client = JsonClient(folder / "alice", relay)
            client.register("alice")
            client.close()
            _show("client.py --json answers whoami", lambda: _whoami(folder / "alice", relay), "ms")
            _show("plain face prompts", lambda: _prompt(folder / "nobody", relay), "ms")
            print(f"{'idle relay, resident':<34} {_memory_mb(relay):8.1f} MB")


def _show(what: str, measure: Callable[[], float], unit: str) -> None:
    measure()  # warm
    values = [measure() for _ in range(RUNS)]
    middle, least, most = statistics.median(values), min(values), max(values)
    print(f"{what:<34} {middle:8.1f} {unit}   ({least:.1f} to {most:.1f}, {RUNS} runs)")


def _start_relay(relay: Relay) -> float:
    begun = time.perf_counter()
    relay.start()
    took = time.perf_counter() - begun
    relay.stop()
    return took * 1000


def _whoami(profile: Path, relay: Relay) -> float:
    command = [sys.executable, str(ROOT / "client.py"), "--json", "--profile", str(profile)]
    begun = time.perf_counter()
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(SOTTO_DATA=str(relay.data)),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"whoami"}\n')
        process.stdin.flush()
        while b'"id":1' not in process.stdout.readline():
            pass
        took = time.perf_counter() - begun
        process.stdin.close()
        process.wait(30)
    return took * 1000


def _prompt(profile: Path, relay: Relay) -> float:
    command = [str(ROOT / "client.py"), "--plain", "--profile", str(profile)]
    begun = time.perf_counter()
    child = pexpect.spawn(sys.executable, command, env=environment(), timeout=30)
    child.expect("c  close")
    took = time.perf_counter() - begun
    child.close(force=True)
    return took * 1000


def _memory_mb(relay: Relay) -> float:
    assert relay.process is not None
    for line in Path(f"/proc/{relay.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no resident size")


if __name__ == "__main__":
    main()
