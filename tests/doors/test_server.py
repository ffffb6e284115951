"""The relay's door, as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Relay, environment, wait_until


def server(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run server.py to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *arguments],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    return Relay(tmp_path)


def test_the_first_start_shows_everything_and_the_next_no_admin_code(relay: Relay) -> None:
    with relay:
        first = relay.log.read_text()
    for words in (f"Sotto relay on {relay.server}", "Fingerprint", "sotto://", "Admin code"):
        assert words in first
    assert relay.fingerprint in first
    with relay:
        pass
    again = relay.log.read_text()[len(first) :]
    assert "sotto://" in again
    assert "Admin code" not in again


def test_the_join_link_is_short_enough(relay: Relay) -> None:
    with relay:
        links = [w for w in relay.log.read_text().split() if w.startswith("sotto://")]
    assert len(links) == 1
    assert len(links[0]) <= 106
    assert links[0].endswith("#" + relay.fingerprint)


def test_serve_is_the_default_command(tmp_path: Path) -> None:
    result = server("--port", "70000", "--data", str(tmp_path / "x"))
    assert (result.returncode, result.stderr) == (
        1,
        "port is a number from 0 to 65535.\n",
    )


def test_sigterm_drains_and_sigkill_loses_nothing(relay: Relay) -> None:
    relay.start()
    assert relay.stop(signal.SIGTERM) == 0
    assert '"event": "stopped"' in relay.log.read_text()
    relay.start()
    key = (relay.data / "relay.key").read_bytes()
    relay.kill()
    relay.start()
    assert (relay.data / "relay.key").read_bytes() == key
    assert relay.stop(signal.SIGINT) == 0


def test_a90_a_second_relay_on_the_same_folder_does_not_start(relay: Relay) -> None:
    with relay:
        result = server("--port", "0", "--data", str(relay.data))
    assert result.returncode == 1
    assert "already running" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = server("--port", port, "--data", str(tmp_path / "x"))
    assert result.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be refused as root")
def test_a87_root_is_refused_where_the_network_reaches(tmp_path: Path) -> None:
    result = server("--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "x"))
    assert result.returncode == 1
    assert "--allow-root" in result.stderr
    assert not (tmp_path / "x").exists()


def test_a87_an_open_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir(mode=0o755)
    result = server("--port", "0", "--data", str(folder))
    assert (result.returncode, list(folder.iterdir())) == (1, [])
    assert "chmod 700" in result.stderr


def test_a87_a_tls_key_that_others_may_read_is_refused(tmp_path: Path, relay: Relay) -> None:
    with relay:
        pass
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_bytes((relay.data / name).read_bytes())
    (tmp_path / "tls.key").chmod(0o604)
    files = ("--tls-cert", str(tmp_path / "tls.crt"), "--tls-key", str(tmp_path / "tls.key"))
    result = server("--port", "0", "--data", str(relay.data), *files)
    assert result.returncode == 1
    assert "chmod 600" in result.stderr


def test_a44_the_relay_speaks_tls_1_3(relay: Relay) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        relay,
        socket.create_connection(("127.0.0.1", relay.port)) as line,
        context.wrap_socket(line) as secured,
    ):
        assert secured.version() == "TLSv1.3"
        assert secured.compression() is None


def test_a_plain_line_is_answered(relay: Relay) -> None:
    with relay, socket.create_connection(("127.0.0.1", relay.port)) as line:
        line.sendall(b"hello?\n")
        answer = line.makefile("rb").read()
    assert answer.count(b"\n") == 1
    assert b"client.py" in answer
    assert b"--json" in answer


def test_admin_commands_work_while_the_relay_runs(relay: Relay) -> None:
    with relay:
        created = server("admin", "create", "--data", str(relay.data))
        listed = server("admin", "list", SOTTO_DATA=str(relay.data))
        unknown = server("admin", "kick", "nobody", "--data", str(relay.data))
    assert (created.returncode, listed.returncode, unknown.returncode) == (0, 0, 1)
    assert created.stdout.splitlines()[-1].startswith("Admin code")
    assert "no admins" in listed.stdout
    assert unknown.stderr == "There is nobody of that name. Nothing was done.\n"


def test_backup_doctor_and_restore(relay: Relay, tmp_path: Path) -> None:
    with relay:
        backup = server("backup", str(tmp_path / "b"), "--data", str(relay.data))
        doctor = server("doctor", "--data", str(relay.data))
    assert (backup.returncode, doctor.returncode) == (0, 0), doctor.stdout
    assert "BAD" not in doctor.stdout
    assert "a relay runs here" in doctor.stdout
    restored = server("restore", str(tmp_path / "b"), "--data", str(tmp_path / "new"))
    assert restored.returncode == 0
    assert (tmp_path / "new" / "relay.key").exists()
    (tmp_path / "new" / "pepper").unlink()
    sick = server("doctor", "--data", str(tmp_path / "new"))
    assert sick.returncode == 1
    assert "BAD   keys" in sick.stdout


@pytest.mark.parametrize("url", ["nonsense", "postgresql://h:notaport/x", "oracle://h/x"])
def test_doctor_says_of_a_database_url_that_it_is_none(relay: Relay, url: str) -> None:
    with relay:
        pass
    sick = server("doctor", "--data", str(relay.data), "--database-url", url)
    assert (sick.returncode, sick.stderr) == (1, "")
    bad = [line for line in sick.stdout.splitlines() if line.startswith("BAD")]
    assert len(bad) == 1
    assert "database: The database URL cannot be used" in bad[0]


def test_the_certificate_is_renewed_on_sighup(relay: Relay) -> None:
    with relay:
        before = ssl.get_server_certificate(("127.0.0.1", relay.port))
        for name in ("tls.crt", "tls.key"):
            (relay.data / name).unlink()
        assert relay.process is not None
        relay.process.send_signal(signal.SIGHUP)
        wait_until(
            lambda: ssl.get_server_certificate(("127.0.0.1", relay.port)) != before,
            "a new certificate",
        )


def without(tmp_path: Path, package: str) -> dict[str, str]:
    """The environment of a Python that has everything but one package."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    return {"PYTHONPATH": str(hook)}


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("serve", "picows"),
        ("serve", "msgspec"),
        ("serve", "sqlalchemy"),
        ("serve", "bcrypt"),
        ("admin", "msgspec"),
        ("admin", "cryptography"),
    ],
)
def test_without_a_package_the_install_line_is_shown(
    tmp_path: Path, command: str, package: str
) -> None:
    arguments = {"serve": ["serve", "--port", "0"], "admin": ["admin", "list"]}[command]
    env = without(tmp_path, package)
    result = server(*arguments, "--data", str(tmp_path / "x"), **env)
    assert result.returncode == 1
    assert "pip install --require-hashes -r" in result.stderr
    assert "Traceback" not in result.stderr


def test_uvloop_may_be_missing(tmp_path: Path) -> None:
    with Relay(tmp_path, **without(tmp_path, "uvloop")) as relay:
        listed = server("admin", "list", "--data", str(relay.data))
    assert listed.returncode == 0
    assert '"event": "stopped"' in relay.log.read_text()


def test_an_old_python_is_told_in_one_line() -> None:
    program = (
        "import sys; sys.version_info = (3, 9, 1); sys.argv = ['server.py']\n"
        f"exec(compile(open({str(ROOT / 'server.py')!r}).read(), 'server.py', 'exec'))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (
        1,
        "Sotto needs Python 3.11 or newer; this is 3.9.\n",
    )


def test_the_relay_never_loads_a_group(tmp_path: Path) -> None:
    """Not even by a way that the import rules do not see; and Alembic only when it is needed."""
    program = (
        "import sys, runpy, relay.serve, relay.operator\n"
        "bad = [n for n in sys.modules if n.startswith('crypto.mls.') and n.split('.')[2] in"
        " ('group', 'key_schedule', 'secret_tree', 'ratchet_tree')]\n"
        "bad += [n for n in ('alembic', 'segno', 'zxcvbn', 'engine', 'ui') if n in sys.modules]\n"
        "print(bad)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.stdout == "[]\n", result.stderr
