"""Attacks from the network, and by people whom the relay does not want any more."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.processes import PASSWORD, JsonClient, People, Relay, wait_until
from tests.system.between import Between, FromRelay, Line
from tests.system.certificates import Files, self_signed
from tests.system.stranger import Stranger, trusting
from wire import codec
from wire.limits import MAX_FRAME_BYTES
from wire.replies import AccountFound, ActDone, Failed, RelayHello
from wire.requests import Heads, Login


@contextmanager
def tls_server(files: Files | None, answer: bytes) -> Iterator[int]:
    """A server that says `answer` to everybody, behind TLS if there are files; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = None
    if files is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            try:
                line = context.wrap_socket(line, server_side=True) if context else line
                line.recv(4096)
                line.sendall(answer)
                line.close()
            except OSError:
                line.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def alice(everybody: People) -> JsonClient:
    """Registered, with the relay's key pinned."""
    client = everybody.join("alice")
    client.settle()
    return client


def refused(alice: JsonClient, code: str, port: int) -> None:
    """Alice is sent to another port: she must refuse, and stay whom she was."""
    alice.fails(code, "connect", server=f"127.0.0.1:{port}")


def test_a44_a_line_of_an_older_tls_is_refused(everybody: People, alice: JsonClient) -> None:
    with Between(everybody.relay, version=ssl.TLSVersion.TLSv1_2) as between:
        refused(alice, "not_sotto", between.port)


def test_a44_the_relay_speaks_no_older_tls(everybody: People) -> None:
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", everybody.relay.port)) as line,
        pytest.raises(ssl.SSLError),
    ):
        context.wrap_socket(line)


@pytest.mark.parametrize("days", [30, -30])
def test_a44_somebody_in_between_with_another_certificate_is_refused(
    everybody: People, alice: JsonClient, tmp_path: Path, days: int
) -> None:
    """The hello is the relay's own, passed on: it was made for another TLS key."""
    with Between(everybody.relay, tls=self_signed(tmp_path, days=days)) as between:
        refused(alice, "untrusted_relay", between.port)
        failure = alice.fails("untrusted_relay", "connect", server=between.server)
        assert failure.data["expected"] == everybody.relay.fingerprint


def test_a44_another_relay_is_refused(everybody: People, alice: JsonClient, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Relay(tmp_path / "other") as other:
        failure = alice.fails("untrusted_relay", "connect", server=other.server)
        assert failure.data["shown"] == other.fingerprint
        assert failure.data["expected"] == everybody.relay.fingerprint


def test_a44_a_hello_of_yesterday_is_refused(everybody: People, alice: JsonClient) -> None:
    """Signed by the right relay with the right TLS key, but for another connection."""
    with Stranger(everybody.relay.port) as stranger:
        yesterday = stranger.hello()

    def down(line: Line, frame: FromRelay) -> tuple[FromRelay, ...]:
        return (yesterday if isinstance(frame, RelayHello) else frame,)

    with Between(everybody.relay, down=down) as between:
        refused(alice, "untrusted_relay", between.port)


@pytest.mark.parametrize(
    ("is_tls", "answer"),
    [
        (False, b"220 mail ready\r\n"),
        (False, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (True, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
        (True, b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\n\r\n"),
    ],
)
def test_a44_what_is_no_relay_is_refused(
    alice: JsonClient, tmp_path: Path, is_tls: bool, answer: bytes
) -> None:
    files = self_signed(tmp_path) if is_tls else None
    with tls_server(files, answer) as port:
        refused(alice, "not_sotto", port)


def test_a45_a_page_of_another_site_may_not_connect(everybody: People) -> None:
    for origin in ("https://evil.example", "null", f"https://{everybody.relay.server}"):
        with Stranger(everybody.relay.port) as browser:
            answer = browser.upgrade(Origin=origin).decode().lower()
        assert " 403 " in answer.splitlines()[0]
        assert "set-cookie" not in answer
    with Stranger(everybody.relay.port) as ours:
        answer = ours.upgrade().decode().lower()
    assert " 101 " in answer.splitlines()[0]
    assert "set-cookie" not in answer


def test_a61_an_unknown_name_is_answered_as_a_wrong_password(everybody: People) -> None:
    """The same bytes; that both cost one hash is tested where hashes are made."""
    everybody.join("alice")
    answers = []
    for name in ("alice", "nobody", "alice@example.org"):
        with Stranger(everybody.relay.port) as stranger:
            stranger.hello()
            stranger.send(Login(7, name, "Falsch-geraten-1"))
            answers.append(stranger.payload())
    assert answers[0] is not None
    assert answers[0] == answers[1] == answers[2]


def test_a65_compression_is_never_agreed_upon(everybody: People) -> None:
    with Stranger(everybody.relay.port) as stranger:
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
        answer = stranger.upgrade(**offer)
    assert b" 101 " in answer.splitlines()[0]
    assert b"extensions" not in answer.lower()


@pytest.mark.parametrize("reserved", [0x40, 0x20, 0x10])
def test_a65_a_compressed_frame_ends_the_connection(everybody: People, reserved: int) -> None:
    """Even one whose payload would make sense: nothing is looked at, so nothing is inflated."""
    payload = codec.encode(Login(1, "nobody", "Falsch-geraten-1"))
    with Stranger(everybody.relay.port) as stranger:
        stranger.hello()
        stranger.raw(payload, first=0x82 | reserved)
        assert stranger.payload() is None


def test_a65_a_frame_that_says_it_is_huge_is_not_waited_for(everybody: People) -> None:
    with Stranger(everybody.relay.port) as stranger:
        stranger.hello()
        head = bytes([0x82, 0x80 | 127]) + (1 << 40).to_bytes(8) + bytes(4)
        stranger.socket.sendall(head)
        assert stranger.is_ended()
    with Stranger(everybody.relay.port) as stranger:
        stranger.hello()
        head = bytes([0x82, 0x80 | 127]) + (MAX_FRAME_BYTES + 1).to_bytes(8) + bytes(4)
        stranger.socket.sendall(head)
        assert stranger.is_ended()


def test_a70_a_ban_ends_the_connection_at_once_and_the_device_counts_no_more(
    everybody: People,
) -> None:
    done_at_s: list[float] = []

    def down(line: Line, frame: FromRelay) -> tuple[FromRelay, ...]:
        if isinstance(frame, ActDone):
            done_at_s.append(time.monotonic())
        return (frame,)

    admin = everybody.admin()
    with Between(everybody.relay, down=down) as between:
        boss = everybody.open("boss", server=between.server)
        boss.register("boss")
        admin.call("promote", name="boss")
        bob = everybody.join("bob", server=between.server)
        bob.settle()
        line = between.line_of("bob")
        boss.call("ban", name="bob", reason="spam")
        bob.wait_for("banned")
        wait_until(lambda: line.ended_at_s is not None, "bob's connection to end")
        assert line.ended_at_s is not None
        assert line.ended_at_s - done_at_s[0] < 1.0
        assert not bob.call("status")["connected"]
        bob.fails("banned", "reconnect")
        assert bob.close() == 0
    for again in (everybody.open("bob"), everybody.open("elsewhere")):
        params = {"name": "bob", "password": PASSWORD, "server": again.server, "trust": "tofu"}
        again.fails("banned", "login", **params)


def test_a70_a_password_alone_makes_no_session(everybody: People) -> None:
    """No token is given out: without the device's proof the connection can do nothing."""
    everybody.join("alice")
    with Stranger(everybody.relay.port) as stranger:
        stranger.hello()
        stranger.send(Login(1, "alice", PASSWORD, device=bytes(16), proof=bytes(64)))
        stranger.expect(AccountFound)
        stranger.send(Heads(2))
        assert stranger.expect(Failed).code == "bad_request"  # it has no place in that state
