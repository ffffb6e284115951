"""What the port takes and refuses: TLS, HTTP, frames, silence, and too much of anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from pathlib import Path

import pytest
from picows import WSMsgType

from tests.relay.client import connect, context, new_device
from tests.relay.live import Live, live, member, run
from wire import limits, pushes, replies, requests
from wire.codec import encode
from wire.errors import WireError


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


def open_sockets() -> int:
    """How many sockets this process has."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
    return found


def test_a47_handshakes_that_fail_or_are_given_up_leave_nothing_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            witness = await member(relay, "witness")
            before = open_sockets()
            lines = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(40)]
            for number, (_, writer) in enumerate(lines):
                writer.write(b"\x16\x03\x01\x00\x05hello" if number % 2 else b"\x16\x03")
            strangers = relay.relay.services.strangers
            await witness.ask(requests.Heads)
            for arrival in strangers.items():
                arrival.abort()
            for reader, writer in lines:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            assert len(strangers) == 0
            await witness.ask(requests.Heads)  # a turn of the loop, in which they are closed
            assert open_sockets() == before

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


def frame(first: int, payload: bytes, *, mask: bool = True) -> bytes:
    """A client's WebSocket frame with this first byte; masked with zeros."""
    assert len(payload) < 126
    return bytes((first, (0x80 if mask else 0) | len(payload))) + bytes(4 if mask else 0) + payload


HELLO = encode(requests.Hello(limits.PROTOCOL_VERSION, bytes(32)))
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
    "a push": encode(pushes.PackagesLow(1, 1)),
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


PATHS = (
    "/debug /debug/pprof /actuator /actuator/heapdump /heapdump /admin /env /trace /console "
    "/status /server-status /.git/config /.env /config /api /api/v1/users /swagger /favicon.ico "
    "/metrics /metrics/../debug /%2e%2e/etc/passwd /healthz/x //"
).split()


@pytest.mark.parametrize("path", PATHS)
def test_a85_no_path_leads_anywhere(tmp_path: Path, path: str) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert answer.split(b" ")[1] in (b"404", b"400")

    run(scenario())


def test_health_is_told_to_anybody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            answer = await raw(relay, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\nok\n")
            probe = relay.relay._probes[0]
            probe.finish(WireError("unavailable", "the disk is full"))
            answer = await raw(relay, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ")
            probe.begin()
            alice = await member(relay, "alice")
            assert isinstance(await alice.ask(requests.Heads), replies.HeadList)
            answer = await raw(relay, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")

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


def test_a_relay_without_room_takes_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path, max_connections=1) as relay:
            alice = await member(relay, "alice")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await asyncio.open_connection("127.0.0.1", relay.port, ssl=context())
            assert isinstance(await alice.ask(requests.Heads), replies.HeadList)

    run(scenario())
