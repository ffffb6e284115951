"""Real processes for tests: a relay, JSON clients, and clients on a pseudo-terminal.

Everything waits for what it expects, with a limit; nothing sleeps for luck.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WAIT_S = 30.0
PASSWORD = "Tulpen-im-Mai-7"


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a child: no keyring and no settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SOTTO_")}
    return kept | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"} | more


def wait_until(condition: Callable[[], bool], what: str, *, timeout_s: float = WAIT_S) -> None:
    """Return once `condition()` holds; fail, naming `what`, when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        time.sleep(0.01)


class Relay:
    """A relay process with its data in `folder`."""

    def __init__(self, folder: Path, *flags: str, port: int | None = None, **env: str) -> None:
        self.folder, self.flags, self.env = folder, flags, env
        self.port = port or free_port()
        self.data = folder / "relay"
        self.log = folder / "relay.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0  # where the log of this start begins

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def fingerprint(self) -> str:
        return (self.data / "fingerprint").read_text().strip()

    @property
    def admin_code(self) -> str:
        """The code that the relay printed at its first start (it listens just before)."""
        wait_until(lambda: bool(self._printed("Admin code")), "the admin code")
        return self._printed("Admin code")[0].rsplit(maxsplit=1)[-1]

    def _printed(self, words: str) -> list[str]:
        lines = self.log.read_text().splitlines(keepends=True)
        return [line for line in lines if line.startswith(words) and line.endswith("\n")]

    def start(self) -> Relay:
        command = [sys.executable, str(ROOT / "server.py"), "serve", "--port", str(self.port)]
        command += ["--data", str(self.data), *self.flags]
        self._begun_at = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(**self.env),
                cwd=self.folder,
            )
        wait_until(self._serves, "the relay to listen and to say so")
        return self

    def _serves(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return b"serving" in self.log.read_bytes()[self._begun_at :]

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Send `sig` and return the exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(sig)
        status = self.process.wait(WAIT_S)
        self.process = None
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Relay:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()


class RpcFailure(Exception):
    """An error that the JSON face answered with."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['data'].get('code')}: {error['message']}")
        self.code = error["data"].get("code")
        self.text = error["message"]
        self.data = error["data"]


class JsonClient:
    """A client process with the JSON face and the profile `folder`.

    `server`: where it connects to, when that is not `relay` itself but something in between.
    """

    def __init__(
        self, folder: Path, relay: Relay, *flags: str, server: str | None = None, **env: str
    ) -> None:
        self.folder, self.relay = folder, relay
        self.server = server or relay.server
        self.notifications: list[dict[str, Any]] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._next = 0
        self._ended = False
        self.errors = folder.with_suffix(".stderr")
        env = {"SOTTO_DATA": str(relay.data)} | env
        stderr = self.errors.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "client.py"),
                "--json",
                "--server",
                self.server,
                "--profile",
                str(folder),
                *flags,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment(**env),
        )
        stderr.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                value = json.loads(line)
                with self._changed:
                    if "method" in value:
                        self.notifications.append(value)
                    else:
                        self._answers[value["id"]] = value
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def begin(self, method: str, **params: Any) -> int:
        """Send a request without waiting; `finish` waits for its answer."""
        assert self.process.stdin is not None
        self._next += 1
        request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        with contextlib.suppress(BrokenPipeError):  # it has died: `finish` says so
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        return self._next

    def finish(self, number: int, *, timeout_s: float = WAIT_S) -> Any:
        with self._changed:
            ok = self._changed.wait_for(lambda: number in self._answers or self._ended, timeout_s)
            answer = self._answers.pop(number, None)
        assert answer is not None, (
            f"no answer ({'ended' if ok else 'timed out'}): {self.errors.read_text()}"
        )
        if "error" in answer:
            raise RpcFailure(answer["error"])
        return answer["result"]

    def call(self, method: str, **params: Any) -> Any:
        """Return the result; raise RpcFailure."""
        return self.finish(self.begin(method, **params), timeout_s=2 * WAIT_S)

    def fails(self, code: str, method: str, **params: Any) -> RpcFailure:
        """Call a method that must be refused with `code`; return how."""
        try:
            result = self.call(method, **params)
        except RpcFailure as error:
            failure = error
        else:
            raise AssertionError(f"{method} was not refused: {result}")
        assert failure.code == code, f"{method}: {failure}"
        return failure

    def register(self, name: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        return self._enter("register", name, password, more)

    def login(self, name: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        return self._enter("login", name, password, more)

    def _enter(self, method: str, name: str, password: str, more: dict[str, Any]) -> dict[str, Any]:
        params = {"name": name, "password": password, "server": self.server, "trust": "tofu"}
        result = self.call(method, **params | more)
        assert isinstance(result, dict)
        return result

    def say(self, to: str, text: str, **more: Any) -> dict[str, Any]:
        """Send a text; return the answer."""
        result = self.call("send", to=to, text=text, **more)
        assert isinstance(result, dict)
        return result

    def settle(self) -> None:
        """Return once everything that the relay knows is processed and sent."""
        state = self.call("sync", timeout_s=WAIT_S)
        assert state["outbox_empty"], state

    def wait_for(
        self, method: str, *, timeout_s: float = WAIT_S, count: int = 1, **fields: Any
    ) -> dict[str, Any]:
        """Return the params of the `count`-th notification of that method with those fields."""

        def find() -> list[dict[str, Any]]:
            return [
                n["params"]
                for n in self.notifications
                if n["method"] == method and all(n["params"].get(k) == v for k, v in fields.items())
            ]

        with self._changed:
            ok = self._changed.wait_for(lambda: len(find()) >= count, timeout_s)
            found = find()
        heard = self.notifications[-8:]
        assert ok, f"no {method} {fields}; had {heard}; {self.errors.read_text()[-2000:]}"
        return found[count - 1]

    def hears(self, conversation: str, text: str, *, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for that message; return its notification."""
        return self.wait_for("message", timeout_s=timeout_s, conversation=conversation, text=text)

    def texts(self, conversation: str) -> list[tuple[str, str]]:
        """(sender, text) of the messages that this client has heard of by notification."""
        return [
            (n["params"]["sender"], n["params"]["text"])
            for n in self.notifications
            if n["method"] == "message" and n["params"]["conversation"] == conversation
        ]

    def history(self, conversation: str, limit: int = 200) -> list[tuple[str, str]]:
        rows = self.call("history", conversation=conversation, limit=limit)
        return [(row["sender"], row["text"]) for row in rows if row.get("text")]

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait_dead()

    def wait_dead(self, timeout_s: float = WAIT_S) -> int:
        """Wait until the process has ended; return its exit status (negative: by that signal)."""
        status = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        self._close_input()
        return status

    def close(self) -> int:
        """End standard input, as a script does at its end; return the exit status."""
        self._close_input()
        try:
            return self.wait_dead()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def _close_input(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class People:
    """A relay and JSON clients by name, all ended with the test."""

    def __init__(self, folder: Path, relay: Relay) -> None:
        self.folder, self.relay = folder, relay
        self.clients: list[JsonClient] = []

    def open(self, name: str, *, server: str | None = None, **env: str) -> JsonClient:
        """Open a client on the profile `name`, new or not."""
        client = JsonClient(self.folder / name, self.relay, server=server, **env)
        self.clients.append(client)
        return client

    def join(self, name: str, *, server: str | None = None, **more: Any) -> JsonClient:
        """Open a client and register `name`; return once others can write to it."""
        client = self.open(name, server=server)
        client.register(name, **more)
        client.settle()
        return client

    def admin(self) -> JsonClient:
        client = self.open("admin")
        client.register("admin", admin_code=self.relay.admin_code)
        client.settle()
        return client

    def end(self) -> None:
        for client in self.clients:
            client.kill()


@contextlib.contextmanager
def people(folder: Path, *flags: str, **env: str) -> Iterator[People]:
    """A fresh relay in `folder` and nobody on it yet."""
    with Relay(folder, *flags, **env) as relay:
        everybody = People(folder, relay)
        try:
            yield everybody
        finally:
            everybody.end()
