"""Stolen disks, and mistakes of whoever runs a relay: rights, databases, careless logs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import (
    PASSWORD,
    ROOT,
    JsonClient,
    People,
    Relay,
    environment,
    people,
    wait_until,
)
from tests.system.canaries import betrayals, canary, room_canary
from tests.system.databases import fresh_database

PASSPHRASE = "Drei Chinesen mit dem Kontrabass"
HOSTILE_NAMES = [
    *("../" * depth + "escape" for depth in range(1, 9)),
    *("/tmp/sotto-escape", "~/escape", "C:\\escape", "..\\..\\escape", "\\\\host\\escape"),
    *("..", ".", "...", "escape/../..", "%2e%2e%2fescape", "..%c0%afescape", "..;/escape"),
    *("escape\0.db", "escape\n", "-rf", "--profile=/tmp", "$(touch escape)", "`escape`", "|escape"),
    *("con", "nul", "aux.db", "store.db", "accounts", "lock.json", "relay.key", ".ssh"),
    *(f"{mark}escape" for mark in "\u2215\u2044\uff0f\u29f8\u2216\uff3c\u202e\u200b"),
    "a" * 400,
    "file:///etc/passwd",
]


def start_fails(folder: Path, *flags: str, **env: str) -> str:
    """Start a relay that must refuse; return what it said, which is no traceback."""
    command = [sys.executable, str(ROOT / "server.py"), "serve", "--port", "0"]
    done = subprocess.run(
        [*command, "--data", str(folder), *flags],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(**env),
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    assert said.strip()
    return said


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a relay that has run before."""
    with Relay(tmp_path) as relay:
        return relay.data


@pytest.mark.parametrize("name", ["relay.key", "pepper", "relay.db", "tls.key"])
def test_a87_a_file_that_others_can_read_is_refused(data: Path, name: str) -> None:
    (data / name).chmod(0o644)
    assert name in start_fails(data)


def test_a87_a_folder_that_others_can_enter_is_refused(data: Path) -> None:
    data.chmod(0o755)
    assert "chmod 700" in start_fails(data)


def test_a87_a_link_in_place_of_the_key_is_refused(data: Path, tmp_path: Path) -> None:
    (data / "relay.key").rename(tmp_path / "elsewhere")
    (data / "relay.key").symlink_to(tmp_path / "elsewhere")
    assert "relay.key" in start_fails(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a87_somebody_elses_folder_is_refused(data: Path) -> None:
    os.chown(data, 65534, 65534)
    assert "another user" in start_fails(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused for being root")
def test_a87_root_is_warned_on_loopback_and_refused_elsewhere(tmp_path: Path) -> None:
    assert "--allow-root" in start_fails(tmp_path / "open", "--host", "0.0.0.0")
    with Relay(tmp_path) as relay:
        wait_until(lambda: "root" in relay.log.read_text(), "the warning")


def test_a87_everything_that_a_relay_makes_is_its_own_alone(everybody: People) -> None:
    everybody.join("alice")
    folder = everybody.relay.data
    assert folder.stat().st_mode & 0o077 == 0
    public = {path.name for path in folder.iterdir() if path.lstat().st_mode & 0o077}
    assert not public


def test_a87_a_second_relay_on_the_folder_is_refused(everybody: People) -> None:
    assert "already running" in start_fails(everybody.relay.data)


def test_a87_a_key_that_is_missing_beside_its_database_is_not_made_anew(data: Path) -> None:
    (data / "relay.key").unlink()
    assert "backup" in start_fails(data)
    assert not (data / "relay.key").exists()


def test_a86_a_postgresql_that_forgets_is_refused(tmp_path: Path) -> None:
    with fresh_database("postgresql") as url:
        forgetful = f"{url}?options=-c%20synchronous_commit=off"
        assert "synchronous_commit" in start_fails(tmp_path / "relay", "--database-url", forgetful)
        with Relay(tmp_path, "--database-url", url):
            pass  # the same server with its own settings is taken


def run_server(*arguments: str) -> None:
    command = [sys.executable, str(ROOT / "server.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr


def put_back(relay: Relay, file: Path) -> None:
    for path in relay.data.glob("relay.db*"):
        path.unlink()
    run_server("restore", str(file), "--data", str(relay.data))


def test_a56_a_log_that_has_grown_as_long_again_is_not_taken_for_the_old_one(
    everybody: People, tmp_path: Path
) -> None:
    relay, file = everybody.relay, tmp_path / "backup"
    alice, bob = everybody.join("alice"), everybody.join("bob")
    alice.call("create_room", name="den", join="open")
    bob.call("join_room", name="den")
    bob.say("#den", "before")
    alice.hears("#den", "before")
    for client in (alice, bob):
        client.settle()
    run_server("backup", str(file), "--data", str(relay.data))
    assert bob.close() == 0
    alice.say("#den", "lost")
    alice.settle()
    assert alice.close() == 0
    relay.kill()
    put_back(relay, file)
    relay.start()
    bob = everybody.open("bob")
    bob.login("bob")
    bob.say("#den", "another in its place")
    bob.settle()
    alice = everybody.open("alice")
    alice.login("alice")
    alice.wait_for("notice", kind="frozen", conversation="#den")
    alice.fails("forbidden", "send", to="#den", text="on a fork")


def test_a56_an_old_backup_stops_what_has_gone_on_and_forks_nothing(
    everybody: People, tmp_path: Path
) -> None:
    relay, file = everybody.relay, tmp_path / "backup"
    alice, bob = everybody.join("alice"), everybody.join("bob")
    for name, client in (("went on", alice), ("stood still", alice)):
        room = name.replace(" ", "-")
        client.call("create_room", name=room, join="open")
        bob.call("join_room", name=room)
        alice.say(f"#{room}", "before")
        bob.hears(f"#{room}", "before")
    for client in (alice, bob):
        client.settle()
    run_server("backup", str(file), "--data", str(relay.data))
    alice.say("#went-on", "after")
    bob.hears("#went-on", "after")
    for client in (alice, bob):
        client.settle()
    relay.kill()
    put_back(relay, file)
    relay.start()
    for client in (alice, bob):
        said = client.wait_for("notice", kind="frozen", conversation="#went-on")
        assert "older than what this device has read" in said["text"]
        client.fails("forbidden", "send", to="#went-on", text="lost?")
        assert client.history("#went-on") == [("alice", "before"), ("alice", "after")]
    bob.say("#stood-still", "still here")
    alice.hears("#stood-still", "still here")
    # New KeyPackages are there for whoever writes first: the old ones may have been used.
    carol = everybody.join("carol")
    carol.say("@alice", "hello")
    alice.hears("@carol", "hello")


def test_a51_a_copied_profile_opens_with_its_passphrase_alone(
    everybody: People, tmp_path: Path
) -> None:
    alice = everybody.open("alice")
    alice.register("alice", passphrase=PASSPHRASE)
    secret = canary("Wort")
    alice.say("#lobby", secret)
    alice.settle()
    alice.kill()
    shutil.copytree(tmp_path / "alice", tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        if path.is_file():
            assert not betrayals(path.read_bytes(), secret), path
            assert not betrayals(path.read_bytes(), PASSPHRASE), path
    thief = everybody.open("copy")
    assert thief.call("status")["locked"]
    thief.fails("locked", "history", conversation="#lobby", limit=5)
    thief.fails("locked", "unlock")
    thief.fails("bad_passphrase", "unlock", passphrase=PASSPHRASE + "!")
    assert thief.call("unlock", passphrase=PASSPHRASE)["account"] == "alice"
    assert secret in [text for _, text in thief.history("#lobby")]


def test_a51_no_key_lies_beside_the_store_of_a_passphrase(
    everybody: People, tmp_path: Path
) -> None:
    """Whoever copies the files without the header's passphrase has a store and no key to it."""
    alice = everybody.open("alice")
    alice.register("alice", passphrase=PASSPHRASE)
    alice.kill()
    names = {path.name for path in (tmp_path / "alice").rglob("*") if path.is_file()}
    assert "store.key" not in names
    bob = everybody.join("bob")
    bob.kill()
    names = {path.name for path in (tmp_path / "bob").rglob("*") if path.is_file()}
    assert "store.key" in names, "without a keyring and passphrase there is a key file, as is said"
    [key] = (tmp_path / "bob").rglob("store.key")
    assert key.stat().st_mode & 0o077 == 0


def _shape(folder: Path) -> set[str]:
    """The paths under `folder`, with the random names of accounts left out."""
    shape = set()
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        shape.add("/".join("*" if len(part) >= 16 else part for part in parts))
    return shape


def test_a72_names_from_outside_never_become_paths(everybody: People, tmp_path: Path) -> None:
    calls = [
        ("register", "name"),
        ("login", "name"),
        ("create_room", "name"),
        ("join_room", "name"),
        ("history", "conversation"),
        ("send", "to"),
        ("safety_number", "name"),
    ]
    alice = everybody.join("alice")
    alice.say("#lobby", "before")
    alice.settle()
    before, profile = _shape(tmp_path), _shape(tmp_path / "alice")
    outside = set(Path("/tmp").glob("*escape*")) | set(ROOT.rglob("*escape*"))
    newcomer = everybody.open("newcomer")
    for place, name in enumerate(HOSTILE_NAMES):
        for method, field in calls:
            if method == "login" and place % 5:
                continue  # each costs the relay a bcrypt, and the name goes no further
            client = newcomer if method in ("register", "login") else alice
            _try(client, method, **{field: name})
    alice.settle()
    alice.kill()
    newcomer.kill()
    made = {path for path in _shape(tmp_path) - before if not path.startswith("newcomer")}
    assert not made
    assert _shape(tmp_path / "alice") == profile
    assert _shape(tmp_path / "newcomer") <= profile | {"profile.lock"}
    assert set(Path("/tmp").glob("*escape*")) | set(ROOT.rglob("*escape*")) == outside


def _try(client: JsonClient, method: str, **params: str) -> None:
    """Call with a hostile name; whatever the answer, it is an answer."""
    more = {"password": PASSWORD, "server": client.server, "trust": "tofu"}
    if method in ("register", "login"):
        params |= more
    if method == "send":
        params |= {"text": "x", "wait": "stored"}
    number = client.begin(method, **params)
    try:
        client.finish(number)
    except Exception as failure:
        assert getattr(failure, "code", None), failure


def test_a91_secrets_are_in_no_log(tmp_path: Path) -> None:
    with people(tmp_path, "--log-level", "debug", "--log-addresses") as everybody:
        secrets = _use_everything(everybody)
        everybody.end()
        logs = everybody.relay.log.read_bytes()
        logs += b"".join(client.errors.read_bytes() for client in everybody.clients)
        logs += (tmp_path / "relay" / "pepper").name.encode()
        keys = [(tmp_path / "relay" / name).read_text().strip() for name in ("relay.key", "pepper")]
        for secret in [*secrets, *keys]:
            assert not betrayals(logs, secret)
        assert b"serving" in logs


def _use_everything(everybody: People) -> list[str]:
    """Every kind of secret, used rightly and wrongly; return them."""
    password, room, wrong = canary("Konto") + "X9", room_canary(), canary("Falsch") + "7"
    text, reason, passphrase = canary("Wort"), canary("Grund"), canary("Satz")
    alice, bob = everybody.open("alice"), everybody.join("bob")
    code = alice.register(
        "alice", password=password, email="alice@zq.example", passphrase=passphrase
    )
    alice.call("create_room", name="keller", join="password", password=room)
    bob.fails("wrong_room_password", "join_room", name="keller", password=wrong)
    assert bob.call("join_room", name="keller", password=room)["state"] == "joined"
    bob.say("@alice", text)
    alice.hears("@bob", text)
    elsewhere = everybody.open("elsewhere")
    params = {"name": "alice", "server": elsewhere.server, "trust": "tofu"}
    elsewhere.fails("bad_credentials", "login", password=wrong, **params)
    elsewhere.login("alice", password=password, recovery_code=code["recovery_code"])
    admin = everybody.admin()
    admin.call("kick", name="bob", reason=reason)
    bob.wait_for("kicked")
    return [password, room, wrong, text, reason, passphrase, code["recovery_code"], "alice@zq"]
