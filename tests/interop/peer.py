"""ts-mls clients, hosted by driver.mjs in one Node process.

Never decides anything: requests go to the process in order, and answers come back.
"""

import json
import shutil
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

HERE = Path(__file__).parent
OLDEST_NODE = (20, 19)


class PeerFailed(AssertionError):
    """ts-mls refused what it was asked to do; the text is its own."""


def missing() -> str | None:
    """What the sessions need and this machine does not have, in a few words; or None."""
    if shutil.which("node") is None or _version() < OLDEST_NODE:
        return "Node.js 20.19 or newer is not installed"
    if not (HERE / "node_modules" / "ts-mls").is_dir():
        return "ts-mls is not installed: make interop fetches it"
    return None


def _version() -> tuple[int, ...]:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in said.strip().removeprefix("v").split("."))


def encoded(value: bytes) -> str:
    return b64encode(value).decode()


class Peer:
    """The Node process; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "--max-semi-space-size=64", "driver.mjs"],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._waiting: list[tuple[dict[str, Any], list[Any]]] = []

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def later(self, what: str, **request: Any) -> Callable[[], Any]:
        """Put a request in line; calling what this returns sends all that wait, and answers it.

        The answer is PeerFailed when ts-mls raised. One line carries many requests because each
        line is two changes of process, which on a busy machine take longer than the work.
        """
        answer: list[Any] = []
        self._waiting.append(({"do": what, **request}, answer))

        def get() -> Any:
            if not answer:
                self._flush()
            return answer[0]

        return get

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([request for request, _ in waiting]).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the Node process ended")
        for (request, answer), answered in zip(waiting, json.loads(line), strict=True):
            if "error" in answered:
                raise PeerFailed(f"{request['do']}: {answered['error']}")
            answer.append(answered["answer"])

    def ask(self, what: str, **request: Any) -> Any:
        """The answer, at once."""
        return self.later(what, **request)()

    def bytes_of(self, what: str, field: str = "message", **request: Any) -> bytes:
        """The bytes in one field of the answer."""
        return b64decode(self.ask(what, **request)[field])
