"""Our relay as the bench runs it: the real program, on one core, with everything switched on.

Only one limit is another: one connection may ask for more in a second than people do, since the
load has a hundred connections for what thousands would send.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, LOAD_CORE = 0, 1
START_S = 60.0


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, and whose time counts as its own."""

    port: int
    pids: tuple[int, ...]
    started_s: float = 0.0


def on_core(core: int, command: list[str]) -> list[str]:
    """Return a command that runs on one core."""
    return ["taskset", "-c", str(core), *command]


@contextmanager
def relay(data: Path, port: int, *flags: str) -> Iterator[Server]:
    """Run our relay on a data folder."""
    command = [sys.executable, "server.py", "serve", "--data", str(data), "--port", str(port)]
    command += ["--allow-root", "--requests-per-s", "10000000", "--log-format", "json", *flags]
    log = data.parent / "relay.log"
    begun = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            on_core(SERVER_CORE, command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=ROOT,
        )
    try:
        while b"serving" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > begun + START_S:
                raise SystemExit(f"bench: the relay does not start:\n{log.read_text()}")
            time.sleep(0.005)
        yield Server(port, (process.pid,), time.monotonic() - begun)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(60)


def load(program: Path, server: Server, **options: Any) -> dict[str, float]:
    """Run the load generator against a server; return what it measured."""
    flags = []
    for name, value in options.items():
        if value is True:
            flags.append(f"--{name}")
        elif value not in (None, False):
            flags += [f"--{name}", str(value)]
    command = [str(program), "--port", str(server.port), *flags]
    command += ["--servers", ",".join(map(str, server.pids))]
    done = subprocess.run(on_core(LOAD_CORE, command), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"bench: {' '.join(command)}\n{done.stderr}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
