"""Other servers that do a part of the job, each started on one core with a folder of its own.

Never more than is measured: no archive where none is meant, no federation, no limits. A server that
is not installed is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.relay_serving import SERVER_CORE, START_S, Server, on_core
from tests.processes import free_port

CLIENTS = 100


@dataclass(frozen=True)
class Peer:
    """A server: `command` returns how it is started, after writing its files into a folder.

    `is_stored`: it keeps what it relays; then it is measured without TLS, as a favour to it.
    """

    name: str
    program: str
    command: Callable[[Path, int], list[str]]
    options: dict[str, Any]
    is_stored: bool = False
    started: Callable[[int], None] = lambda _port: None
    environment: dict[str, str] = field(default_factory=dict)


def prosody(folder: Path, port: int, *, archive: bool) -> list[str]:
    """Prosody with its own plain accounts; the archive in SQLite."""
    accounts = folder / "data" / "localhost" / "accounts"
    accounts.mkdir(parents=True)
    for number in range(CLIENTS):
        (accounts / f"load{number}.dat").write_text('return { ["password"] = "load"; };\n')
    plain, tls = (f"{{ {port} }}", "{}") if archive else ("{}", f"{{ {port} }}")
    storage = 'storage = "internal"'
    if archive:
        storage = (
            'storage = { archive = "sql", muc_log = "sql" }\n'
            f'sql = {{ driver = "SQLite3", database = "{folder}/archive.sqlite" }}\n'
            "default_archive_policy = true\nmuc_log_by_default = true"
        )
    (folder / "prosody.cfg.lua").write_text(
        f"""run_as_root = true
daemonize = false
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
modules_enabled = {{ "saslauth", "tls", "disco", "presence", "message", "iq", "c2s",
  {'"mam"' if archive else ""} }}
modules_disabled = {{ "s2s", "limits" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
{storage}
network_backend = "epoll"
c2s_ports = {plain}
c2s_direct_tls_ports = {tls}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_direct_tls_interfaces = {{ "127.0.0.1" }}
ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/certificate.pem" }}
log = {{ error = "*console" }}
gc = {{ mode = "incremental" }}
VirtualHost "localhost"
Component "conference.localhost" "muc"
  modules_enabled = {{ {'"muc_mam"' if archive else ""} }}
  muc_room_default_history_length = 0
  max_history_messages = 0
  restrict_room_creation = false
  muc_room_locking = false
"""
    )
    return ["prosody", "--config", str(folder / "prosody.cfg.lua")]


def ejabberd(folder: Path, port: int, *, archive: bool) -> list[str]:
    """ejabberd with one scheduler; it lets anybody in."""
    store = ""
    if archive:
        store = (
            "  mod_mam: {default: always, db_type: sql}\n"
            f'sql_type: sqlite\nsql_database: "{folder}/archive.db"\n'
        )
    pem = folder / "both.pem"
    pem.write_bytes((folder / "certificate.pem").read_bytes() + (folder / "key.pem").read_bytes())
    (folder / "ejabberd.yml").write_text(
        f"""loglevel: 2
hosts: [localhost]
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, shaper: none,
     max_stanza_size: 262144, tls: {str(not archive).lower()}}}
certfiles: ["{pem}"]
auth_method: anonymous
anonymous_protocol: login_anon
allow_multiple_connections: true
disable_sasl_mechanisms: []
acl: {{local: {{user_regexp: ""}}}}
access_rules: {{local: {{allow: all}}, c2s: {{allow: all}}}}
api_permissions: {{}}
modules:
  mod_disco: {{}}
  mod_muc:
    access: all
    access_create: all
    history_size: 0
    min_message_interval: 0
    min_presence_interval: 0
    max_users: 2000
    default_room_options: {{persistent: false, max_users: 2000, mam: {str(archive).lower()}}}
{store}"""
    )
    (folder / "ctl.cfg").write_text(
        f'ERLANG_NODE=load{port}@localhost\nERL_MAX_PORTS=65536\nERL_OPTIONS="+S 1:1"\n'
    )
    (folder / "inetrc").write_text('{lookup,["file","native"]}.\n{file,hosts,"/etc/hosts"}.\n')
    for path in (folder, folder / "spool", folder / "logs"):
        path.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "ejabberd", str(folder)], check=True)
    folders = ["--spool", str(folder / "spool"), "--logs", str(folder / "logs")]
    settings = ["--config", str(folder / "ejabberd.yml"), "--ctl-config", str(folder / "ctl.cfg")]
    return ["ejabberdctl", "--config-dir", str(folder), *settings, *folders, "foreground"]


def mosquitto(folder: Path, port: int, *, is_stored: bool) -> list[str]:
    """Mosquitto; stored means QoS 1 with its own way of persisting."""
    tls = ""
    if not is_stored:
        tls = (
            f"cafile {folder}/certificate.pem\ncertfile {folder}/certificate.pem\n"
            f"keyfile {folder}/key.pem\ntls_version tlsv1.3\n"
        )
    (folder / "mosquitto.conf").write_text(
        f"""listener {port} 127.0.0.1
{tls}allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
sys_interval 0
log_type error
log_dest stderr
persistence {str(is_stored).lower()}
persistence_location {folder}/
autosave_interval 1800
user root
"""
    )
    return ["mosquitto", "-c", str(folder / "mosquitto.conf")]


def nats(folder: Path, port: int, *, is_stored: bool) -> list[str]:
    """NATS; stored means a JetStream file with its default of one fsync in two minutes."""
    tls = f'tls {{ cert_file: "{folder}/certificate.pem", key_file: "{folder}/key.pem" }}\n'
    store = f'jetstream {{ store_dir: "{folder}/store" }}\n'
    text = f"listen: 127.0.0.1:{port}\nmax_pending: 1GB\n{store if is_stored else tls}"
    (folder / "nats.conf").write_text(text)
    return ["nats-server", "-c", str(folder / "nats.conf")]


def make_streams(port: int) -> None:
    """Have JetStream keep what is sent to clients and to the room."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.recv(4096)
        for name, subject in (("TO", "to.*"), ("ROOM", "room")):
            asked = json.dumps(
                {
                    "name": name,
                    "subjects": [subject],
                    "storage": "file",
                    "retention": "limits",
                    "max_msgs": -1,
                    "max_bytes": 2_000_000_000,
                    "discard": "old",
                    "num_replicas": 1,
                }
            )
            head = f"PUB $JS.API.STREAM.CREATE.{name} answer {len(asked)}"
            frame = f'CONNECT {{"verbose":false}}\r\nSUB answer 1\r\n{head}\r\n{asked}\r\n'
            line.sendall(frame.encode())
            line.recv(65536)


def peers(bare: Path) -> list[Peer]:
    """Every peer; `bare`: our bare relay's program."""
    xmpp, mqtt, jet = {"protocol": "xmpp"}, {"protocol": "mqtt"}, {"protocol": "nats"}
    run = {"GOMAXPROCS": "1"}
    return [
        Peer("Prosody", "prosody", lambda f, p: prosody(f, p, archive=False), xmpp),
        Peer("ejabberd", "ejabberdctl", lambda f, p: ejabberd(f, p, archive=False), xmpp),
        Peer("Mosquitto QoS 0", "mosquitto", lambda f, p: mosquitto(f, p, is_stored=False), mqtt),
        Peer(
            "NATS core",
            "nats-server",
            lambda f, p: nats(f, p, is_stored=False),
            jet,
            environment=run,
        ),
        Peer(
            "bare relay in C",
            str(bare),
            lambda f, p: [str(bare), str(p), f"{f}/certificate.pem", f"{f}/key.pem"],
            {"protocol": "bare"},
        ),
        Peer(
            "Mosquitto QoS 1 persisted",
            "mosquitto",
            lambda f, p: mosquitto(f, p, is_stored=True),
            {**mqtt, "qos": 1},
            is_stored=True,
        ),
        Peer(
            "NATS JetStream file",
            "nats-server",
            lambda f, p: nats(f, p, is_stored=True),
            {**jet, "stored": True},
            is_stored=True,
            started=make_streams,
            environment=run,
        ),
        Peer(
            "Prosody archive",
            "prosody",
            lambda f, p: prosody(f, p, archive=True),
            xmpp,
            is_stored=True,
        ),
        Peer(
            "ejabberd archive",
            "ejabberdctl",
            lambda f, p: ejabberd(f, p, archive=True),
            xmpp,
            is_stored=True,
        ),
    ]


@contextmanager
def running(peer: Peer, folder: Path) -> Iterator[Server]:
    """Run a peer; SystemExit when it does not come to listen."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    make_certificate(folder)
    port = free_port()
    command = on_core(SERVER_CORE, peer.command(folder, port))
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | peer.environment,
            start_new_session=True,
        )
    try:
        _wait_listening(port, process, log)
        peer.started(port)
        yield Server(port, _listeners(port) or (process.pid,))
    finally:
        for sig in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sig)
                process.wait(10)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        for pid in _listeners(port):  # ejabberd is its own user's, in a session of its own
            os.kill(pid, signal.SIGKILL)


def make_certificate(folder: Path) -> None:
    """Make a self-signed certificate, as relays have."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    names = ["-subj", "/CN=localhost"]
    subprocess.run([*command.split(), *files, *names], check=True, capture_output=True)
    (folder / "key.pem").chmod(0o644)


def _wait_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > end_s:
                raise SystemExit(f"bench: {log.parent.name}: {log.read_text()}") from None
            time.sleep(0.05)


def _listeners(port: int) -> tuple[int, ...]:
    """The processes that listen on a port, as Linux tells."""
    wanted = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    sockets = {
        f"socket:[{line.split()[9]}]"
        for line in lines
        if line.split()[1].endswith(wanted) and line.split()[3] == "0A"
    }
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in sockets for fd in (each / "fd").iterdir()):
                found.append(int(each.name))
        except OSError:
            continue  # it is gone, or not ours
    return tuple(found)
