"""A relay behind the proxies that operators use: they pass TCP through and nothing else changes."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, free_port, people, wait_until

DEPLOY = ROOT / "deploy"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def haproxy(folder: Path, port: int, relay: int) -> list[str]:
    text = (DEPLOY / "haproxy.cfg").read_text().replace("bind :5000", f"bind 127.0.0.1:{port}")
    text = text.replace("maxconn 50000", "maxconn 500")  # as many files as anybody may open
    (folder / "haproxy.cfg").write_text(text.replace("relay:5000", f"127.0.0.1:{relay}"))
    return ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")]


def nginx(folder: Path, port: int, relay: int) -> list[str]:
    text = (DEPLOY / "nginx-stream.conf").read_text().replace("listen 5000", f"listen {port}")
    text = text.replace("127.0.0.1:5001", f"127.0.0.1:{relay}")
    head = f"load_module {STREAM_MODULE};\ndaemon off;\nmaster_process off;\npid {folder}/pid;\n"
    (folder / "nginx.conf").write_text(f"{head}error_log {folder}/error.log;\nevents {{}}\n{text}")
    return ["nginx", "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")]


PROXIES = {"haproxy": haproxy, "nginx": nginx}


@contextlib.contextmanager
def proxy(kind: str, folder: Path, relay: int) -> Iterator[int]:
    """Run a proxy in front of a relay; give its port."""
    port = free_port()
    process = subprocess.Popen(
        PROXIES[kind](folder, port, relay), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def listens() -> bool:
        assert process.poll() is None, f"{kind} ended"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        return False

    try:
        wait_until(listens, f"{kind} to listen")
        yield port
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("kind", PROXIES)
def test_people_talk_through(kind: str, tmp_path: Path) -> None:
    if shutil.which(kind) is None or (kind == "nginx" and not STREAM_MODULE.exists()):
        pytest.skip(f"{kind} is not installed")
    with people(tmp_path) as everybody, proxy(kind, tmp_path, everybody.relay.port) as port:
        server = f"127.0.0.1:{port}"
        alice = everybody.join("alice", server=server)
        bob = everybody.join("bob", server=server)
        alice.say("@bob", "through the proxy")
        bob.hears("@alice", "through the proxy")
        everybody.relay.kill()
        alice.say("@bob", "while the relay is away", wait="stored")
        everybody.relay.start()
        bob.hears("@alice", "while the relay is away")
