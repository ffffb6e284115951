"""A whole relay with real sockets: log-in, sessions, fan-out, the drain, and attacks upon them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from picows import WSMsgType

from relay.serve import new_loop
from tests.relay.client import Client, connect, context, new_device
from tests.relay.live import Live, live
from wire import limits, pushes, replies, requests
from wire.codec import encode


def run(scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario)


async def member(relay: Live, name: str) -> Client:
    client = await connect(relay.port)
    reply = await client.register(new_device(name))
    assert isinstance(reply, replies.LoggedIn), reply
    return client


async def raw(relay: Live, data: bytes, *, tls: bool = True) -> bytes:
    """Send bytes and return everything that comes until the relay closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", relay.port, ssl=context() if tls else None
    )
    writer.write(data)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def test_registers_logs_in_and_resumes(tmp_path: Path) -> None:
    async def scenario() -> None:
        alice = new_device("Alice")
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            reply = await client.register(alice)
            assert (reply.account, reply.display, reply.device) == ("alice", "Alice", alice.id)
            client.close()
            again = await connect(relay.port)
            assert (await again.resume(alice)).account == "alice"
            other = await connect(relay.port)
            assert (await other.log_in("ALICE", alice)).account == "alice"

    run(scenario())


def test_a_new_device_enrolls(tmp_path: Path) -> None:
    async def scenario() -> None:
        alice = new_device("alice")
        second = alice.another()
        async with live(tmp_path) as relay:
            first = await connect(relay.port)
            await first.register(alice)
            client = await connect(relay.port)
            found = await client.log_in("alice")
            assert isinstance(found, replies.AccountFound)
            assert found.sealed_root == b"sealed"
            reply = await client.ask(
                requests.Enroll, chain=second.chain, proof=client.proof(second)
            )
            assert (reply.account, reply.device) == ("alice", second.id)
            devices = (await first.ask(requests.ListDevices)).devices
            assert [(d.device, d.online) for d in devices] == [(alice.id, True), (second.id, True)]

    run(scenario())


def test_the_same_device_connecting_again_ends_its_older_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            first = await connect(relay.port)
            await first.register(alice)
            second = await connect(relay.port)
            await second.resume(alice)
            ended = await first.push(pushes.Ended)
            assert ended.reason is pushes.EndReason.REPLACED
            await first.wait_closed()
            assert isinstance(await second.ask(requests.ListDevices), replies.DeviceList)

    run(scenario())


def test_presence_is_told_and_asked(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            alice = await member(relay, "alice")
            bob = await member(relay, "Bob")
            await alice.wait(
                lambda: (
                    any(
                        ("bob", "Bob", True) in f.changes
                        for f in alice.frames
                        if isinstance(f, pushes.Presence)
                    )
                    or None
                )
            )
            names = await alice.ask(requests.Who)
            assert names.names == (("alice", "alice"), ("bob", "Bob"))
            assert (await alice.ask(requests.Who, None, "alice")).names == (("bob", "Bob"),)
            bob.close()
            await alice.wait(
                lambda: (
                    any(
                        ("bob", "Bob", False) in f.changes
                        for f in alice.frames
                        if isinstance(f, pushes.Presence)
                    )
                    or None
                )
            )

    run(scenario())


def test_logging_out_answers_and_closes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            alice = await member(relay, "alice")
            assert isinstance(await alice.ask(requests.Logout), replies.Ok)
            await alice.wait_closed()

    run(scenario())


def test_the_drain_says_goodbye_and_keeps_what_was_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(alice)
        ended = [f for f in client.frames if isinstance(f, pushes.Ended)]
        assert [f.reason for f in ended] == [pushes.EndReason.SHUTDOWN]
        await client.wait_closed()
        async with live(tmp_path) as relay:
            again = await connect(relay.port)
            assert (await again.resume(alice)).account == "alice"

    run(scenario())


def test_requests_before_log_in_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            failed = await client.ask(requests.Heads)
            assert failed.code == "bad_request"
            silent = await connect(relay.port, greet=False)
            silent.send(requests.Heads(1))
            failed = await silent.answer(1)
            assert failed.code == "bad_request"

    run(scenario())


def test_another_version_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port, greet=False)
            client.send(requests.Hello(9, bytes(32)))
            await client.wait_closed()
            assert client.close_code == 1008

    run(scenario())


def test_without_tls_the_hello_signs_that(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path, insecure=True) as relay:
            client = await connect(relay.port, tls=False)  # checks the signature over 32 zeros
            assert (await client.register(new_device("alice"))).account == "alice"

    run(scenario())


def test_a44_older_tls_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            old = context()
            old.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", relay.port, ssl=old)
            client = await connect(relay.port)
            assert client.hello is not None

    run(scenario())


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a45_a_browser_of_another_site_gets_403(tmp_path: Path, origin: str) -> None:
    async def scenario() -> None:
        async with live(tmp_path, origins=("https://chat.example",)) as relay:
            answer = await raw(relay, upgrade(f"Origin: {origin}"))
            assert answer.startswith(b"HTTP/1.1 403 ")
            welcome = await first_line(relay, upgrade("Origin: https://chat.example"))
            assert welcome.startswith(b"HTTP/1.1 101 ")

    run(scenario())


def test_connection_headers_of_browsers_and_proxies_are_understood(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            request = upgrade("").replace(
                b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"
            )
            assert (await first_line(relay, request)).startswith(b"HTTP/1.1 101 ")

    run(scenario())


def upgrade(header: str) -> bytes:
    lines = [
        "GET / HTTP/1.1",
        "Host: relay",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *([header] if header else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def first_line(relay: Live, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, ssl=context())
    writer.write(request)
    async with asyncio.timeout(20):
        line = await reader.readline()
    writer.close()
    return line


def test_a47_half_open_connections_do_not_keep_others_out(tmp_path: Path) -> None:
    """More than the table holds; none says anything. An honest log-in goes through."""

    async def scenario() -> None:
        settings = {"max_strangers": 60, "max_strangers_per_address": 50}
        async with live(tmp_path, **settings) as relay:
            silent = []
            for _ in range(200):
                silent.append(await asyncio.open_connection("127.0.0.1", relay.port))
            alice = await member(relay, "alice")
            assert isinstance(await alice.ask(requests.Heads), replies.HeadList)
            assert len(relay.relay.services.strangers) <= 50
            for reader, writer in silent[:100]:  # the oldest were let go of
                async with asyncio.timeout(20):
                    assert await reader.read() == b""
                writer.close()
            for _, writer in silent[100:]:
                writer.close()

    run(scenario())


def test_a47_a_late_handshake_is_ended(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port, greet=False)
            for arrival in relay.relay.services.strangers.items():
                arrival.deadline_s = 0.0  # as if the time had passed
            await client.wait_closed()
            assert relay.relay.services.metrics.handshake_timeouts == 1

    run(scenario())


def test_a47_a_slow_reader_is_dropped_and_the_others_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            slow, quick = await member(relay, "slow"), await member(relay, "quick")
            assert slow.transport is not None
            slow.transport.underlying_transport.pause_reading()
            bus, metrics = relay.relay.services.bus, relay.relay.services.metrics
            notice = pushes.Notice(pushes.NoticeKind.ANNOUNCEMENT, "a", "a", "a", "x" * 60_000)
            async with asyncio.timeout(60):
                while not metrics.slow_clients:
                    bus.push(notice)
                    await asyncio.sleep(0)
                    assert isinstance(await quick.ask(requests.Heads), replies.HeadList)
                    quick.frames.clear()
            assert len(bus) == 2 or len(bus) == 1
            slow.transport.underlying_transport.resume_reading()
            await slow.wait_closed()
            assert [f.reason for f in slow.frames if isinstance(f, pushes.Ended)] == [
                pushes.EndReason.SLOW
            ]
            assert isinstance(await quick.ask(requests.Heads), replies.HeadList)

    run(scenario())


def test_a50_a_proof_of_another_connection_is_refused(tmp_path: Path) -> None:
    """A log-in as it was captured, on a new connection; and one for another TLS key."""

    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            first = await connect(relay.port)
            await first.register(alice)
            captured = first.proof(alice)
            thief = await connect(relay.port)
            failed = await thief.ask(requests.Resume, "alice", alice.id, captured)
            assert failed.code == "bad_credentials"
            replayer = await connect(relay.port, greet=False)
            replayer.nonce = first.nonce
            await replayer.greet()
            assert (
                await replayer.ask(requests.Resume, "alice", alice.id, captured)
            ).code == "bad_credentials"
            between = await connect(relay.port)
            between.spki_hash = os.urandom(32)
            assert (await between.resume(alice)).code == "bad_credentials"
            assert isinstance(await first.ask(requests.Heads), replies.HeadList)

    run(scenario())


def frame(first: int, payload: bytes, *, mask: bool = True) -> bytes:
    """A client's WebSocket frame with this first byte; masked with zeros."""
    assert len(payload) < 126
    return bytes((first, (0x80 if mask else 0) | len(payload))) + bytes(4 if mask else 0) + payload


HELLO = encode(requests.Hello(1, bytes(32)))
BROKEN_FRAMES = {
    "reserved bit 1 (compressed)": frame(0xC2, HELLO),
    "reserved bit 2": frame(0xA2, HELLO),
    "reserved bit 3": frame(0x92, HELLO),
    "text": frame(0x81, b"hello"),
    "first piece": frame(0x02, HELLO),
    "continuation": frame(0x80, HELLO),
    "unknown opcode": frame(0x83, HELLO),
    "not masked": frame(0x82, HELLO, mask=False),
    "ping in pieces": frame(0x09, b""),
    "compressed ping": frame(0xC9, b""),
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
def test_a65_frames_beyond_the_plain_kind_end_the_connection(tmp_path: Path, name: str) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, upgrade("") + BROKEN_FRAMES[name])
            head, _, rest = answer.partition(b"\r\n\r\n")
            assert b"101" in head
            assert b"Sec-WebSocket-Extensions" not in head
            assert rest[0] == 0x88  # CLOSE, and nothing was answered before it
            assert isinstance((await connect(relay.port)).hello, replies.RelayHello)

    run(scenario())


def test_a65_no_compression_is_agreed_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, ssl=context())
            writer.write(upgrade("Sec-WebSocket-Extensions: permessage-deflate"))
            async with asyncio.timeout(20):
                head = await reader.readuntil(b"\r\n\r\n")
            assert b"101" in head
            assert b"Extensions" not in head
            writer.close()

    run(scenario())


MALFORMED = {
    "nothing": b"",
    "not msgpack": b"\xc1",
    "a number": b"\x07",
    "an empty array": b"\x90",
    "a map": b"\x80",
    "an unknown tag": b"\x92\xcd\x27\x0f\x01",
    "too few fields": b"\x91\x00",
    "an unknown field": b"\x94\x11\x01\xc0\x01",
    "a wrong type": b"\x92\x11\xa1x",
    "a rid below zero": b"\x92\x11\xff",
    "bytes after the end": encode(requests.Heads(1)) + b"\x00",
    "deep nesting": b"\x91" * 20_000,
    "an array of 4 billion": b"\xdd\xff\xff\xff\xff",
    "a text of 4 billion": b"\x92\x16\xdb\xff\xff\xff\xff",
    "broken UTF-8": b"\x93\x16\x01\xa2\xff\xfe",
    "a push": encode(pushes.PackagesLow(1)),
}


@pytest.mark.parametrize("ready", [False, True])
def test_a66_malformed_frames_end_their_connection_alone(tmp_path: Path, ready: bool) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            witness = await member(relay, "witness")
            sender = new_device("sender")
            first = await connect(relay.port)
            await first.register(sender)
            for name, payload in MALFORMED.items():
                client = await connect(relay.port)
                if ready:
                    await client.resume(sender)
                assert client.transport is not None
                client.transport.send(WSMsgType.BINARY, payload)
                await client.wait_closed()
                assert client.close_code == 1008, name
            assert isinstance(await witness.ask(requests.Heads), replies.HeadList)
            metrics = relay.relay.services.metrics
            assert metrics.frames_malformed == len(MALFORMED)
            assert metrics.internal_errors == 0

    run(scenario())


def test_a66_too_much_before_log_in_ends_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            for size in (limits.MAX_FRAME_BYTES_STRANGER + 1, limits.MAX_FRAME_BYTES):
                client = await connect(relay.port)
                assert client.transport is not None
                client.transport.send(WSMsgType.BINARY, bytes(size))
                await client.wait_closed()

    run(scenario())


def test_a66_a_frame_over_the_limit_ends_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await member(relay, "alice")
            assert client.transport is not None
            client.transport.send(WSMsgType.BINARY, bytes(limits.MAX_FRAME_BYTES + 1))
            await client.wait_closed()
            assert client.close_code == 1009

    run(scenario())


def test_a70_a_ban_ends_the_connection_and_the_device_stays_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        mallory = new_device("mallory")
        async with live(tmp_path) as relay:
            witness = await member(relay, "witness")
            client = await connect(relay.port)
            await client.register(mallory)
            answer = await operate(relay, action="ban", name="mallory", reason="spam")
            assert answer["lines"] == ["Done: ban mallory (was online)"]
            await client.wait_closed(timeout_s=1.0)
            ended = [f for f in client.frames if isinstance(f, pushes.Ended)]
            assert [(f.reason, f.text, f.until_ms) for f in ended] == [
                (pushes.EndReason.BANNED, "spam", -1)
            ]
            notice = await witness.push(pushes.Notice)
            assert (notice.kind, notice.account, notice.by) == (
                pushes.NoticeKind.BANNED,
                "mallory",
                "operator",
            )
            for way in ("resume", "password", "device and password"):
                again = await connect(relay.port)
                if way == "resume":
                    failed = await again.resume(mallory)
                else:
                    device = mallory if way == "device and password" else None
                    failed = await again.log_in("mallory", device)
                assert (failed.code, failed.data["reason"]) == ("banned", "spam"), way

    run(scenario())


def test_a_kick_ends_the_connection_and_the_person_may_come_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        bob = new_device("bob")
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(bob)
            await operate(relay, action="kick", name="bob")
            await client.wait_closed(timeout_s=1.0)
            assert client.frames[-1].reason is pushes.EndReason.KICKED
            again = await connect(relay.port)
            assert (await again.resume(bob)).account == "bob"

    run(scenario())


async def operate(relay: Live, **command: str) -> dict[str, Any]:
    from relay.operator import Operator

    return await Operator(relay.relay.services).handle(command)


PATHS = (
    "/debug /debug/pprof /actuator /actuator/heapdump /heapdump /admin /env /trace /console "
    "/status /server-status /.git/config /.env /config /api /api/v1/users /swagger /favicon.ico "
    "/metrics/../debug /%2e%2e/etc/passwd /healthz/x //"
).split()


@pytest.mark.parametrize("path", PATHS)
def test_a85_no_path_leads_anywhere(tmp_path: Path, path: str) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert answer.split(b" ")[1] in (b"404", b"400")

    run(scenario())


def test_a85_metrics_are_for_this_machine_and_name_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            await member(relay, "alice")
            answer = await raw(relay, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\nsotto_sessions 1\n" in answer
            assert b"alice" not in answer
            arrivals = relay.relay._metrics_page(_from_afar())
            assert arrivals.status == 404

    run(scenario())


def _from_afar() -> Any:
    from relay.arrival import Arrival

    return Arrival(1, "192.0.2.7", 0.0)


def test_health_is_told_to_anybody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\nok\n")

    run(scenario())


@pytest.mark.parametrize(
    "line", [b"hello\n", b"EHLO x\r\n", b'{"jsonrpc": "2.0"}\n', b"GET / HTTP/1.0\r\n\r\n"]
)
def test_a_plain_text_line_gets_one_that_names_the_client(tmp_path: Path, line: bytes) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, line, tls=False)
            assert b"client.py" in answer
            assert b"--json" in answer
            assert answer.startswith(b"HTTP/1.1 400") == line.startswith(b"GET")

    run(scenario())


def test_too_many_tries_on_one_connection_must_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            alice = new_device("alice")
            codes = [(await client.resume(alice)).code for _ in range(11)]
            assert codes == ["bad_credentials"] * 10 + ["rate_limited"]

    run(scenario())


def test_a_relay_without_room_takes_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path, max_connections=1) as relay:
            alice = await member(relay, "alice")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", relay.port, ssl=context())
            assert isinstance(await alice.ask(requests.Heads), replies.HeadList)

    run(scenario())


def test_a_renewed_certificate_is_used_by_new_connections(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            before = await connect(relay.port)
            for name in ("tls.crt", "tls.key"):
                (relay.belongings.folder / name).unlink()
            relay.relay.renew_certificate()
            after = await connect(relay.port)
            assert before.spki_hash != after.spki_hash
            assert before.hello is not None
            assert after.hello is not None
            assert before.hello.relay_key == after.hello.relay_key

    run(scenario())


def test_a_fault_of_ours_is_answered_and_the_connection_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relay import routes

    def broken(*_: object) -> Any:
        raise RuntimeError("canary in an exception")

    route = routes.ROUTES[requests.Heads]
    monkeypatch.setitem(routes.ROUTES, requests.Heads, dataclasses.replace(route, operation=broken))

    async def scenario() -> None:
        async with live(tmp_path) as relay:
            alice = await member(relay, "alice")
            failed = await alice.ask(requests.Heads)
            assert failed.code == "unavailable"
            assert "canary" not in failed.text
            assert isinstance(await alice.ask(requests.ListDevices), replies.DeviceList)
            assert relay.relay.services.metrics.internal_errors == 1

    run(scenario())
