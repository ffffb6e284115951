"""A client on a pseudo-terminal: what is typed, and the screen as a person sees it.

Waits for what it expects to see, with a limit; keeps every byte that the program wrote.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

import pexpect
import pyte

from tests.processes import ROOT, WAIT_S, Relay, environment

COLUMNS, LINES = 80, 24


class Terminal:
    """`client.py` with the profile `folder`, in a terminal of 80 by 24."""

    def __init__(
        self,
        folder: Path,
        relay: Relay | None,
        *flags: str,
        columns: int = COLUMNS,
        face: tuple[str, ...] = ("--plain",),
        **env: str,
    ) -> None:
        command = [str(ROOT / "client.py"), *face, "--profile", str(folder)]
        if relay is not None:
            command += ["--server", relay.server]
            env = {"SOTTO_DATA": str(relay.data)} | env
        self.written = bytearray()
        self._screen = pyte.HistoryScreen(columns, LINES, history=5000, ratio=1)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._child = pexpect.spawn(
            sys.executable,
            [*command, *flags],
            env=environment(TERM="xterm-256color", PROMPT_TOOLKIT_NO_CPR="1", **env),
            dimensions=(LINES, columns),
            timeout=WAIT_S,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    def _read(self) -> None:
        while True:
            try:
                data = self._child.read_nonblocking(65536, timeout=None)
            except (pexpect.EOF, OSError, ValueError):
                break
            with self._changed:
                self.written += data
                self._stream.feed(data)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def text(self) -> str:
        """Everything shown so far, the lines that have scrolled away included."""
        with self._changed:
            return self._text()

    def _text(self) -> str:
        above = [
            "".join(row[x].data for x in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return "\n".join([*above, *(line.rstrip() for line in self._screen.display)])

    def see(self, *words: str, count: int = 1, timeout_s: float = WAIT_S) -> str:
        """Wait until each of `words` is shown (`count` times); return all that is shown."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                shown = self._text()
                flat = shown.replace("\n    ", " ")
                if all(max(shown.count(word), flat.count(word)) >= count for word in words):
                    return shown
                left = deadline - time.monotonic()
                assert left > 0, f"not seen: {words}\n{shown}"
                self._changed.wait(min(left, 1.0))

    def gone(self, word: str) -> None:
        """Wait until `word` is not on the screen any more."""
        deadline = time.monotonic() + WAIT_S
        with self._changed:
            while any(word in line for line in self._screen.display):
                left = deadline - time.monotonic()
                assert left > 0, f"still there: {word}\n{self._text()}"
                self._changed.wait(min(left, 1.0))

    def type(self, *lines: str) -> None:
        """Type lines, each with Enter."""
        for line in lines:
            self._child.send(line + "\r")

    def key(self, key: str) -> None:
        """Send keys as they are: "\\x03" is Ctrl-C."""
        self._child.send(key)

    def answer(self, question: str, answer: str) -> None:
        """Wait for a question at the end of the screen, then answer it."""
        self.wait_for_prompt(question)
        self.type(answer)

    def wait_for_prompt(self, words: str) -> None:
        """Wait until the screen ends with these words."""
        deadline = time.monotonic() + WAIT_S
        with self._changed:
            while not self._text().rstrip().endswith(words.rstrip()):
                left = deadline - time.monotonic()
                assert left > 0, f"not asked: {words}\n{self._text()}"
                self._changed.wait(min(left, 1.0))

    def register(self, name: str, password: str = "Tulpen-im-Mai-7") -> None:
        """Go through the menu as a new person does."""
        self.answer("c  close\n>", "r")
        self.answer("Name:", name)
        self.answer("Password:", password)
        self.answer("key file):", "")
        self.see(f"Welcome, {name}.")

    def wait(self) -> int:
        """Wait for the program's end; return its exit status."""
        deadline = time.monotonic() + WAIT_S
        while self._child.isalive():
            assert time.monotonic() < deadline, f"does not end:\n{self.text()}"
            time.sleep(0.02)
        return int(self._child.exitstatus if self._child.exitstatus is not None else -1)

    def kill(self) -> None:
        """kill -9."""
        with contextlib.suppress(OSError):
            self._child.kill(9)
        self._child.close(force=True)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
