"""The five programs that Sotto replaces, each typed with its own words into two terminals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, Relay, environment
from tests.terminal import Terminal

PASSWORD = "Tulpen-im-Mai-7"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay(tmp_path) as running:
        yield running


def become_admin(terminal: Terminal, relay: Relay) -> None:
    terminal.answer("c  close\n>", "register")
    terminal.answer("Name:", "admin")
    terminal.answer("Password:", PASSWORD)
    terminal.answer("at its first start):", relay.admin_code)
    terminal.answer("key file):", "")
    terminal.see("Welcome, admin.")


def piped(relay: Relay, profile: Path, *lines: str) -> str:
    """Pipe lines into the client; return what it printed. The exit status must be 0."""
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "client.py"),
            "--server",
            relay.server,
            "--profile",
            str(profile),
        ],
        input="".join(line + "\n" for line in lines),
        capture_output=True,
        text=True,
        env=environment(SOTTO_DATA=str(relay.data)),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_chat_with_admin(tmp_path: Path, relay: Relay) -> None:
    with Terminal(tmp_path / "admin", relay) as admin, Terminal(tmp_path / "bob", relay) as bob:
        become_admin(admin, relay)
        bob.type("register")
        bob.answer("Name:", "bob")
        bob.answer("Password:", PASSWORD)
        bob.answer("key file):", "")
        admin.see("bob joined")

        bob.type("hello everybody")
        admin.see("bob: hello everybody")
        bob.type("/kick admin")
        bob.see("Only server admins may do that")
        admin.type("/kick bob")
        bob.see("You were kicked by admin")
        admin.see("bob was kicked by you", "bob left")
        bob.type("/reconnect")
        admin.see("bob joined", count=2)
        admin.type("/ban bob")
        bob.see("You are banned by admin")
        admin.see("bob was banned by you")
        bob.type("/quit")
        assert bob.wait() == 0

    with Terminal(tmp_path / "bob-again", relay) as bob:
        bob.type("login bob " + PASSWORD)
        bob.see("banned")
        assert "Welcome" not in bob.text()
    with Terminal(tmp_path / "admin", relay) as admin:
        admin.see("Welcome, admin.")
        admin.type("/unban bob")
        admin.see("unbanned by you")


def test_chat_room(tmp_path: Path, relay: Relay) -> None:
    names = ("ann", "ben", "cem")
    people = {name: Terminal(tmp_path / name, relay) for name in names}
    with Terminal(tmp_path / "admin", relay) as admin:
        try:
            become_admin(admin, relay)
            for name in names:
                people[name].register(name)
                admin.see(f"{name} joined")
            people["ben"].type("hi from ben")
            people["ann"].see("ben: hi from ben")
            people["cem"].see("ben: hi from ben")
            people["cem"].type("/quit")
            assert people["cem"].wait() == 0
            people["ann"].see("cem left")

            admin.type("/kick ben too loud")
            people["ann"].see("ben was kicked by admin (too loud)")
            people["ben"].see("You were kicked by admin (too loud)")
            people["ann"].see("ben left")
            people["ben"].type("/reconnect")
            people["ann"].see("ben joined", count=2)
            admin.type("/ban ben 7d spam")
            people["ann"].see("ben was banned by admin until", "(spam)")
            people["ben"].see("You are banned by admin until")
            people["ben"].type("/reconnect")
            people["ben"].see("banned", count=3)
            assert "ben joined" not in people["ann"].text().split("was banned", 1)[1]
        finally:
            for terminal in people.values():
                terminal.kill()
    with Terminal(tmp_path / "impostor", relay) as impostor:
        impostor.type("login admin Wrong-Passw0rd")
        impostor.see("***")
        assert "Welcome" not in impostor.text()


def test_key_exchange_chat(tmp_path: Path, relay: Relay) -> None:
    with Terminal(tmp_path / "alice", relay) as alice, Terminal(tmp_path / "bob", relay) as bob:
        alice.answer("c  close\n>", "r")
        alice.answer("Name:", "alice")
        alice.see("8 characters or more with a capital letter and a digit")
        for weak in ("short1A", "nocapital1", "NoDigitHere"):
            alice.answer("Password:", weak)
            alice.see("Try again.")
        alice.answer("Password:", PASSWORD)
        alice.answer("key file):", "")
        alice.see("Welcome, alice.")
        assert PASSWORD not in alice.text()
        assert PASSWORD.encode() not in bytes(alice.written)
        bob.register("bob")
        alice.see("bob joined")

        alice.type("bob")
        alice.answer("Open the private chat with bob (y/n)?", "y")
        alice.see("now in @bob")
        alice.type("only you can read this")
        bob.see("[@alice] alice: only you can read this")
        bob.type("@alice: and only you this")
        alice.see("bob: and only you this")
        assert "Enter" not in bob.text().split("Welcome", 1)[1]
        bob.type("/quit")
        assert bob.wait() == 0
        alice.see("bob left")
    with Terminal(tmp_path / "closed", relay) as nobody:
        nobody.answer("c  close\n>", "c")
        assert nobody.wait() == 0
    with Terminal(tmp_path / "alice", relay) as alice:
        alice.see("Welcome, alice.")  # the device is known: log-in by its signature
    with Terminal(tmp_path / "elsewhere", relay) as thief:
        thief.answer("c  close\n>", "l")
        thief.answer("Name or e-mail:", "alice")
        thief.answer("Password:", "Not-her-passw0rd")
        thief.see("***")
        assert "Welcome" not in thief.text()


def test_client_server_messaging(tmp_path: Path) -> None:
    with Relay(tmp_path, port=None) as relay, Terminal(tmp_path / "ann", None,
            SOTTO_DATA=str(relay.data)) as ann:  # fmt: skip
        ann.answer("c  close\n>", "r")
        ann.answer("Relay address or join link [127.0.0.1:5000]:", relay.server)
        ann.answer("Name:", "ann")
        ann.answer("Password:", PASSWORD)
        ann.answer("key file):", "")
        ann.see("Welcome, ann.")
        with Terminal(tmp_path / "bob", relay) as bob:
            bob.register("bob")
            ann.see("bob joined")
            ann.type("@bob: hello bob")
            bob.see("[@ann] ann: hello bob")
            bob.kill()
        ann.see("bob left")
        ann.type("/exit")
        assert ann.wait() == 0
    log = relay.log.read_text()
    assert log.count('"connected"') >= 2
    assert log.count('"disconnected"') >= 2


def test_groups_with_accounts(tmp_path: Path, relay: Relay) -> None:
    first = piped(
        relay,
        tmp_path / "ann",
        f"register ann ann@example.org {PASSWORD}",
        "create-group den Raum-Passwort-9",
        "send-to-group den first words",
        "exit server!",
    )
    assert "Welcome, ann." in first
    assert "first words" in first
    with Terminal(tmp_path / "ann", relay) as ann, Terminal(tmp_path / "bob", relay) as bob:
        ann.see("Welcome, ann.")
        bob.type(f"register bob bob@example.org {PASSWORD}")
        bob.answer("key file):", "")
        bob.see("Welcome, bob.")
        bob.type("join-group den Falsches-Passwort-1")
        bob.see("The members of #den refused the password")
        bob.type("join-group den Raum-Passwort-9")
        bob.see("you joined #den")
        bob.type("send-to-group den hello den")
        ann.see("[#den] bob: hello den")
        ann.type("send-to-group den welcome")
        bob.see("ann: welcome")
        bob.type("send-to-group nowhere lost")
        bob.see("***")
        bob.type("exit server!")
        assert bob.wait() == 0
    by_mail = piped(relay, tmp_path / "bob", "/me", "exit server!")
    assert "You are bob" in by_mail


def test_login_by_email_on_the_same_device(tmp_path: Path, relay: Relay) -> None:
    with Terminal(tmp_path / "ann", relay) as ann:
        ann.type(f"register ann ann@example.org {PASSWORD}")
        ann.answer("key file):", "")
        ann.see("Welcome, ann.")
        ann.type("/logout")
        ann.see("logged out")
        ann.type(f"login ann@example.org {PASSWORD}")
        ann.see("Welcome, ann.", count=2)
