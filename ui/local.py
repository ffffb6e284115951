"""`make chat` and `make stop`: a relay on this machine that outlives the client, and the client.

Never stops a relay that it did not start: what it started is named in a file beside the data.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HOST, PORT = "127.0.0.1", 5000
PORTS_TRIED = 20
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 15.0
SERVING = b'"event": "serving"'
ADMIN_CODE_LINE = "Admin code"  # how the relay's banner begins that line
ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Return where the local relay keeps its data (SOTTO_DATA, else .sotto/relay here)."""
    return Path(os.environ.get("SOTTO_DATA") or ROOT / ".sotto" / "relay")


def main(arguments: list[str]) -> int:
    """Return the exit status of `chat` (the default), `start` or `stop`."""
    action = arguments[0] if arguments else "chat"
    if action == "stop":
        return stop()
    port = start()
    if port is None:
        return 1
    if action == "start":
        return 0
    os.environ["SOTTO_DATA"] = str(data_folder())
    server = f"{HOST}:{port}"
    command = [sys.executable, str(ROOT / "client.py"), "--server", server, *arguments[1:]]
    os.execv(sys.executable, command)  # noqa: S606  (the client takes this process's place)


def start() -> int | None:
    """Return the port of the local relay, started if none of ours runs; None when it cannot be."""
    running = _running_port()
    if running is not None:
        return running
    port = _free_port()
    if port is None:
        print(
            f"No free port from {PORT} to {PORT + PORTS_TRIED - 1}: end a program, or use --port."
        )
        return None
    if port != PORT:
        print(f"Another program uses port {PORT}; this relay takes {port}.")
    return port if _launch(port) else None


def stop() -> int:
    """End the relay that `start` started."""
    pid = _read_number("pid")
    if pid is None or not _is_alive(pid) or _running_port() is None:
        print("No relay that `make chat` started is running.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _is_alive(pid):
        if time.monotonic() > deadline:
            print(f"The relay (process {pid}) does not end; its log: {data_folder() / 'relay.log'}")
            return 1
        time.sleep(0.05)
    _forget()
    print("The relay has ended. Everything it had acknowledged is kept.")
    return 0


def _launch(port: int) -> bool:
    folder = data_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = folder / "relay.log"
    command = [sys.executable, str(ROOT / "server.py"), "serve", "--host", HOST]
    command += ["--port", str(port), "--data", str(folder)]
    before = log.stat().st_size if log.exists() else 0
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    if not _wait_until_it_serves(process, log, before):
        print(f"The relay did not start. What it said is in {log}")
        return False
    _write_number("pid", process.pid)
    _write_number("port", port)
    _show_admin_code(log)
    return True


def _show_admin_code(log: Path) -> None:
    """Show the code that the relay printed if this was its first start: it is told only once."""
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith(ADMIN_CODE_LINE):
            code = line.removeprefix(ADMIN_CODE_LINE).strip()
            print(
                f"This relay is new. To be its admin, register the name admin with the code\n"
                f"    {code}"
            )
            os.environ["SOTTO_ADMIN_CODE"] = code  # for the client that takes this process's place
            log.write_text("")  # shown once, kept nowhere


def _wait_until_it_serves(process: subprocess.Popen[bytes], log: Path, before: int) -> bool:
    """Wait for the line that the relay logs once it listens and has said all about itself."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if SERVING in log.read_bytes()[before:]:
            return True
        time.sleep(0.02)
    return False


def _running_port() -> int | None:
    """Return the port of the relay that we started and that still listens."""
    pid, port = _read_number("pid"), _read_number("port")
    if pid is None or port is None or not _is_alive(pid) or not _is_listening(port):
        return None
    return port


def _free_port() -> int | None:
    return next((p for p in range(PORT, PORT + PORTS_TRIED) if _can_bind(p)), None)


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1.0):
        return True
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """A relay that ended while its parent does not wait for it still answers signal 0."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def _read_number(name: str) -> int | None:
    try:
        text = (data_folder().parent / f"relay.{name}").read_text().strip()
    except OSError:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def _write_number(name: str, number: int) -> None:
    path = data_folder().parent / f"relay.{name}"
    path.write_text(f"{number}\n")
    path.chmod(0o600)


def _forget() -> None:
    for name in ("pid", "port"):
        (data_folder().parent / f"relay.{name}").unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
