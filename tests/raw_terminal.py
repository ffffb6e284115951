"""A client on a pseudo-terminal of which only the bytes are read, with their times.

Never draws a screen: tests/terminal.py does. The terminal is not the client's controlling one, so
its end is no signal to it.
"""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

from tests.processes import ROOT, Relay, environment

LIMIT_S = 60.0


class Screen:
    """The client on a pseudo-terminal of 80 by 24, with the time of every byte that it wrote."""

    def __init__(self, folder: Path, relay: Relay) -> None:
        command = [sys.executable, str(ROOT / "client.py"), "--profile", str(folder)]
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = environment(TERM="xterm-256color", SOTTO_SETTINGS="/nonexistent")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "--server", relay.server],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env | {"SOTTO_DATA": str(relay.data)},
            start_new_session=True,
        )
        os.close(slave)
        self._master = master
        self._chunks: list[tuple[float, bytes]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                select.select([self._master], [], [])
                data = os.read(self._master, 65536)
            except (OSError, ValueError):
                return
            with self._news:
                self._chunks.append((time.perf_counter(), data))
                self._news.notify_all()

    def key(self, text: str) -> float:
        """Press keys; return when."""
        at = time.perf_counter()
        os.write(self._master, text.encode())
        return at

    def seen(self, text: str, *, after: float = 0.0) -> float:
        """Return when `text` was on the wire after a moment, once it is."""
        wanted, deadline = text.encode(), time.perf_counter() + LIMIT_S
        with self._news:
            while True:
                tail = b""
                for at, data in self._chunks:
                    if at < after:
                        continue
                    tail = (tail + data)[-(len(data) + len(wanted)) :]
                    if wanted in tail:
                        return at
                if time.perf_counter() > deadline:
                    raise TimeoutError(text)
                self._news.wait(1.0)

    def forget(self) -> None:
        """Drop what was written so far."""
        with self._news:
            self._chunks.clear()

    def memory_mb(self) -> float:
        """Return the resident memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def hang_up(self) -> None:
        """Take the terminal away, without a signal."""
        os.close(self._master)

    def close(self) -> None:
        """Close with Ctrl+Q."""
        self.key("\x11")
        self.process.wait(LIMIT_S)
        os.close(self._master)
