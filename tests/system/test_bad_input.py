"""Bad input at the faces: a clear line, nothing lost, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, JsonClient, People, Relay, RpcFailure, environment, free_port
from tests.terminal import Terminal

PASSWORD = "Tulpen-im-Mai-7"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m\r\x08"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay(tmp_path) as running:
        yield running


@pytest.fixture
def everybody(tmp_path: Path, relay: Relay) -> Iterator[People]:
    there = People(tmp_path, relay)
    yield there
    there.end()


def refused(client: JsonClient, method: str, **params: object) -> RpcFailure:
    with pytest.raises(RpcFailure) as caught:
        client.call(method, **params)
    assert "Traceback" not in client.errors.read_text()
    return caught.value


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("bob", "weak", "weak_password"),
        ("bob", "Password1", "weak_password"),
        ("bob", "Bob-Geheim-1", "weak_password"),
        ("bob", "Aa1" + "x" * 126, "weak_password"),
        ("a", PASSWORD, "bad_name"),
        ("bob smith", PASSWORD, "bad_name"),
        ("bоb", PASSWORD, "bad_name"),
        ("\u202ebob", PASSWORD, "bad_name"),
        ("root", PASSWORD, "bad_name"),
        ("admin", PASSWORD, "bad_admin_code"),
    ],
)
def test_a_registration_that_cannot_be(
    everybody: People, name: str, password: str, code: str
) -> None:
    client = everybody.open("new")
    error = refused(client, "register", name=name, password=password, trust="tofu")
    assert error.code == code
    assert client.register("carol")["account"] == "carol"


def test_names_taken_and_look_alike(everybody: People) -> None:
    everybody.join("paula")
    client = everybody.open("new")
    for name in ("paula", "PAULA", "pau1a"):
        error = refused(client, "register", name=name, password=PASSWORD, trust="tofu")
        assert error.code in ("name_taken", "bad_name")


def test_log_ins_that_fail(everybody: People) -> None:
    everybody.join("alice")
    thief = everybody.open("thief")
    wrong = refused(thief, "login", name="alice", password="Wrong-Passw0rd", trust="tofu")
    unknown = refused(thief, "login", name="nobody", password="Wrong-Passw0rd", trust="tofu")
    assert wrong.code == unknown.code == "bad_credentials"
    assert wrong.text == unknown.text


def test_people_rooms_and_texts_that_are_not_there(everybody: People) -> None:
    alice = everybody.join("alice")
    assert refused(alice, "send", to="@nobody", text="hi").code == "no_such_user"
    assert refused(alice, "send", to="#nowhere", text="hi").code == "no_such_room"
    assert refused(alice, "join_room", name="nowhere").code == "no_such_room"
    assert refused(alice, "history", conversation="#nowhere").code == "no_such_room"
    assert refused(alice, "send", to="#lobby", text="x" * (64 * 1024 + 1)).code == "too_large"
    assert refused(alice, "kick", name="alice").code == "not_admin"
    largest = alice.call("send", to="#lobby", text="ä" * (32 * 1024))
    assert largest["seq"] >= 1


def test_a_message_to_somebody_banned(everybody: People) -> None:
    admin, bob = everybody.admin(), everybody.join("bob")
    admin.call("send", to="@bob", text="hello")
    bob.wait_for("message", text="hello")
    admin.call("ban", name="bob", reason="spam")
    bob.wait_for("banned")
    with pytest.raises(RpcFailure) as caught:
        admin.call("send", to="@bob", text="are you there?")
    assert caught.value.code == "banned"
    (kept,) = admin.call("outbox")
    assert (kept["text"], kept["state"], kept["code"]) == ("are you there?", "failed", "banned")


def test_no_relay_a_wrong_port_and_another_server(tmp_path: Path, everybody: People) -> None:
    client = everybody.open("new")
    nobody = f"127.0.0.1:{free_port()}"
    error = refused(client, "register", name="bob", password=PASSWORD, server=nobody, trust="tofu")
    assert error.code == "not_connected"
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        text=True,
    ) as web:
        assert web.stdout is not None
        port = web.stdout.readline().split(" port ")[1].split()[0]
        there = f"127.0.0.1:{port}"
        error = refused(client, "register", name="bob", password=PASSWORD, server=there,
                        trust="tofu")  # fmt: skip
        web.kill()
    assert error.code == "not_sotto"
    assert client.register("bob")["account"] == "bob"


def test_a_relay_that_became_another_one(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay:
        client = JsonClient(tmp_path / "alice", relay)
        client.register("alice")
        client.close()
    (tmp_path / "other").mkdir()
    with Relay(tmp_path / "other", port=relay.port) as other:
        client = JsonClient(tmp_path / "alice", other)
        with pytest.raises(RpcFailure) as caught:
            client.call("connect")
        assert caught.value.code == "untrusted_relay"
        assert caught.value.data["shown"] == other.fingerprint
        assert caught.value.data["expected"] != other.fingerprint
        client.kill()


def test_a_second_window_on_one_account(everybody: People) -> None:
    everybody.join("alice")
    second = everybody.open("alice")
    assert refused(second, "unlock").code == "profile_in_use"
    assert refused(second, "whoami").code == "locked"


def test_a_profile_that_cannot_be_one(tmp_path: Path, relay: Relay) -> None:
    (tmp_path / "file").write_text("not a folder")
    done = subprocess.run(
        [sys.executable, str(ROOT / "client.py"), "--json", "--profile", str(tmp_path / "file")],
        input="",
        capture_output=True,
        text=True,
        env=environment(),
        timeout=30,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


def test_malformed_json_is_answered_and_the_rest_goes_on(everybody: People) -> None:
    client = everybody.join("alice")
    assert client.process.stdin is not None
    for line in (b"{\n", b"[]\n", b"\xff\n", b"{" * 9000 + b"\n", b'{"id":1.5,"method":1}\n'):
        client.process.stdin.write(line)
    client.process.stdin.write(b"x" * (3 << 20) + b"\n")
    client.process.stdin.flush()
    assert client.call("whoami")["account"] == "alice"


def test_hostile_text_is_harmless_on_the_screen(tmp_path: Path, everybody: People) -> None:
    mallory = everybody.join("mallory")
    with Terminal(tmp_path / "alice", everybody.relay) as alice:
        alice.register("alice")
        before = len(alice.written)
        for number in range(20):
            mallory.call("send", to="@alice", text=f"{HOSTILE} text-{number}")
        alice.see("text-19")
        written = bytes(alice.written[before:]).decode("utf-8", "replace")
        for forbidden in ("\x1b]", "\x9b", "\u202e", "\x08", "\x07", "\x1b[2J"):
            assert forbidden not in written
        alice.type("/quit")
        assert alice.wait() == 0


@pytest.mark.parametrize("key", ["\x03", "\x04"])
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4])
def test_ctrl_c_and_ctrl_d_end_every_prompt_quietly(
    tmp_path: Path, relay: Relay, key: str, steps: int
) -> None:
    prompts = [
        ("c  close\n>", "r"),
        ("Name:", "alice"),
        ("Password:", PASSWORD),
        ("key file):", ""),
        ("#lobby>", ""),
    ]
    with Terminal(tmp_path / "alice", relay) as alice:
        for prompt, answer in prompts[:steps]:
            alice.answer(prompt, answer)
        alice.wait_for_prompt(prompts[steps][0])
        alice.key(key)
        assert alice.wait() == 0
        assert "Traceback" not in alice.text()


def test_unknown_commands_are_never_sent(tmp_path: Path, everybody: People) -> None:
    bob = everybody.join("bob")
    with Terminal(tmp_path / "alice", everybody.relay) as alice:
        alice.register("alice")
        alice.type("/frobnicate now", "quit", "//slash")
        alice.see("There is no command /frobnicate", "Did you mean /quit?")
        bob.wait_for("message", text="/slash")
        assert bob.texts("#lobby") == [("alice", "/slash")]


def test_what_is_typed_while_the_relay_is_away_arrives_later(tmp_path: Path) -> None:
    with Relay(tmp_path) as relay:
        bob = JsonClient(tmp_path / "bob", relay)
        bob.register("bob")
        with Terminal(tmp_path / "alice", relay) as alice:
            alice.register("alice")
            alice.type("@bob: one")
            bob.wait_for("message", text="one")
            relay.kill()
            alice.see("not connected")
            alice.type("@bob: two", "three to all")
            alice.see("you: two (waits for the connection)")
            alice.see("you: three to all (waits for the connection)")
            relay.start()
            bob.wait_for("message", text="two")
            bob.wait_for("message", text="three to all")
        bob.kill()


def test_the_end_of_a_pipe_waits_for_what_it_wrote(tmp_path: Path, everybody: People) -> None:
    bob = everybody.join("bob")
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "client.py"),
            "--server",
            everybody.relay.server,
            "--profile",
            str(tmp_path / "ann"),
        ],
        input=f"register ann ann@example.org {PASSWORD}\n@bob: from a pipe\n",
        capture_output=True,
        text=True,
        env=environment(SOTTO_DATA=str(everybody.relay.data)),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    bob.wait_for("message", text="from a pipe")


def test_sigterm_ends_the_client_cleanly(tmp_path: Path, everybody: People) -> None:
    alice = everybody.join("alice")
    alice.process.send_signal(signal.SIGTERM)
    alice.process.wait(10)
    assert "Traceback" not in alice.errors.read_text()
    again = everybody.open("alice")
    assert again.call("whoami")["account"] == "alice"
