"""A connection comes about with the right relay only, and survives none of a relay's lies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from picows import WSMsgType

from crypto.ed25519 import SigningKey
from engine.dial import open_connection
from engine.link import Connection
from tests.engine.lying_relay import Lies, lying_relay
from wire import pushes, replies, requests
from wire.errors import Code, WireError
from wire.limits import MAX_FRAME_BYTES, PROTOCOL_VERSION
from wire.link import Address
from wire.replies import RelayHello

OTHER = SigningKey.from_seed(b"\1" * 32)
LOOKUP = requests.Lookup(0, "bob")


def run(work: Any) -> Any:
    """Run a coroutine with a limit that only a hang reaches."""
    return asyncio.run(asyncio.wait_for(work, 60))


async def dial(address: Address, *, pin: str | None = None, **options: Any) -> Connection:
    """Connect, hearing no pushes."""
    options.setdefault("on_push", lambda push: None)
    return await open_connection(address, pin=pin, **options)


async def refused(lies: Lies, folder: Path, *, pin: str | None = None, **options: Any) -> WireError:
    """Return why the client did not connect."""
    async with lying_relay(lies, folder) as address:
        with pytest.raises(WireError) as caught:
            await dial(address, pin=pin, **options)
    assert len(lies.heard) <= 1  # nothing but the client's hello was ever said
    return caught.value


def test_a_relay_that_proves_itself_is_connected(tmp_path: Path) -> None:
    async def work() -> None:
        lies = Lies()
        async with lying_relay(lies, tmp_path) as address:
            connection = await dial(address, pin=lies.fingerprint)
            assert connection.is_open
            assert connection.relay_key == lies.key.public
            assert connection.fingerprint == lies.fingerprint
            await connection.close()
            assert not connection.is_open

    run(work())


def _old_tls(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def _changed(**changes: Any) -> Callable[[RelayHello], tuple[RelayHello, ...]]:
    return lambda honest: (msgspec.structs.replace(honest, **changes),)


BAD = {
    "TLS 1.2 only": (Lies(tls=_old_tls), Code.NOT_SOTTO),
    "another relay's key": (Lies(key=OTHER), Code.UNTRUSTED_RELAY),
    "a hello from another TLS channel": (
        Lies(tls_hash=lambda _: bytes(32)),
        Code.UNTRUSTED_RELAY,
    ),
    "a hello to another client's nonce": (Lies(nonce=lambda _: bytes(32)), Code.UNTRUSTED_RELAY),
    "the right key, another's signature": (
        Lies(key=OTHER, hello=_changed(relay_key=Lies().key.public)),
        Code.UNTRUSTED_RELAY,
    ),
    "a key of small order": (
        Lies(hello=_changed(relay_key=b"\1" + bytes(31), signature=b"\1" + bytes(63))),
        Code.UNTRUSTED_RELAY,
    ),
    "another nonce than was signed": (
        Lies(hello=_changed(nonce=b"\7" * 32)),
        Code.UNTRUSTED_RELAY,
    ),
    "another version": (Lies(hello=_changed(version=PROTOCOL_VERSION + 1)), Code.NOT_SOTTO),
    "something else than a hello": (Lies(hello=lambda _: (replies.Ok(0),)), Code.NOT_SOTTO),
    "no msgpack": (Lies(hello=lambda _: (b"\xc1",)), Code.BAD_REQUEST),
    "a text frame": (Lies(message_type=WSMsgType.TEXT), Code.NOT_SOTTO),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_a44_a_relay_that_does_not_prove_itself_is_refused(case: str, tmp_path: Path) -> None:
    lies, code = BAD[case]
    lies.heard.clear()
    error = run(refused(lies, tmp_path, pin=Lies().fingerprint))
    assert error.code is code
    if code is Code.UNTRUSTED_RELAY:  # both are told, so that a person can compare
        assert error.data["expected"] == Lies().fingerprint
        assert len(error.data["shown"]) == 43


def test_a44_a_certificate_of_the_right_relay_but_another_key_is_no_proof(tmp_path: Path) -> None:
    """A man in the middle who ends TLS himself and passes the true hello on."""

    async def work() -> None:
        true, between = tmp_path / "true", tmp_path / "between"
        true.mkdir()
        between.mkdir()
        async with lying_relay(Lies(), true):
            error = await refused(Lies(tls_hash=lambda _: b"\5" * 32), between)
        assert error.code is Code.UNTRUSTED_RELAY

    run(work())


def test_nothing_there_is_not_connected() -> None:
    async def work() -> None:
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(WireError) as caught:
            await dial(Address("127.0.0.1", port))
        assert caught.value.code is Code.NOT_CONNECTED

    run(work())


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\x00" * 64])
def test_something_else_on_the_port_is_not_sotto(answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async def work() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            with pytest.raises(WireError) as caught:
                await dial(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
        assert caught.value.code is Code.NOT_SOTTO

    run(work())


def test_a82_a_relay_that_never_says_hello_is_given_up(tmp_path: Path) -> None:
    lies = Lies(hello=lambda _: ())
    error = run(refused(lies, tmp_path, timeout_s=0.5))
    assert error.code is Code.NOT_SOTTO


async def ended_by(
    answer: Callable[[requests.Request], Any], folder: Path, **options: Any
) -> tuple[WireError, Connection]:
    """Ask once, and return what the question and the connection ended with."""
    lies = Lies(answer=answer)
    async with lying_relay(lies, folder) as address:
        connection = await dial(address)
        with pytest.raises(WireError) as caught:
            await connection.request(LOOKUP, **options)
        await connection.wait_closed()
        assert not connection.is_open
        with pytest.raises(WireError):  # and it stays ended
            await connection.request(LOOKUP)
        return caught.value, connection


LIES: dict[str, Callable[[Any], Any]] = {
    "an answer of another kind": lambda r: (replies.Ok(r.rid),),
    "an answer to nothing": lambda r: (replies.Ok(r.rid + 1),),
    "an accepted to nothing": lambda r: (replies.Accepted(((r.rid + 7, 1),)),),
    "a log-in nobody asked for": lambda r: (
        replies.LoggedIn(r.rid, "eve", "eve", bytes(16), True, (), 0),
    ),
    "a second hello": lambda r: (
        replies.RelayHello(PROTOCOL_VERSION, bytes(32), bytes(32), bytes(64)),
    ),
    "no msgpack": lambda r: (b"\xc1" * 9,),
    "nothing at all": lambda r: (b"",),
    "an unknown frame": lambda r: (msgspec.msgpack.encode([99, r.rid]),),
    "nested without end": lambda r: (b"\x91" * 100_000,),
    "a field too many": lambda r: (msgspec.msgpack.encode([101, r.rid, 0]),),
    "a huge array's header": lambda r: (b"\xdd\xff\xff\xff\xff",),
    "too large a frame": lambda r: (bytes(MAX_FRAME_BYTES + 1),),
}


@pytest.mark.parametrize("case", LIES, ids=lambda case: case.replace(" ", "-"))
def test_a82_a_lying_answer_ends_the_connection(case: str, tmp_path: Path) -> None:
    error, _ = run(ended_by(LIES[case], tmp_path))
    assert error.code in (Code.BAD_REQUEST, Code.NOT_SOTTO, Code.TOO_LARGE, Code.NOT_CONNECTED)


def test_a82_an_answer_that_never_comes_is_a_timeout(tmp_path: Path) -> None:
    error, _ = run(ended_by(lambda _: (), tmp_path, timeout_s=0.2))
    assert error.code is Code.TIMEOUT


def test_a82_pushes_before_the_hello_are_refused(tmp_path: Path) -> None:
    heard: list[pushes.Push] = []
    lies = Lies(hello=lambda honest: (pushes.PackagesLow(1, 0), honest))
    error = run(refused(lies, tmp_path, on_push=heard.append))
    assert (error.code, heard) == (Code.NOT_SOTTO, [])


def test_a_refusal_keeps_its_code_and_facts(tmp_path: Path) -> None:
    async def work() -> None:
        failed = replies.Failed(0, "muted", "Not now.", {"until_ms": 5, "code": "x", "text": "y"})

        def answer(request: requests.Request) -> tuple[replies.Reply, ...]:
            assert isinstance(request, requests.Lookup)
            return (msgspec.structs.replace(failed, rid=request.rid),)

        async with lying_relay(Lies(answer=answer), tmp_path) as address:
            connection = await dial(address)
            with pytest.raises(WireError) as caught:
                await connection.request(LOOKUP)
            assert caught.value.code is Code.MUTED
            assert caught.value.text == "Not now."
            assert caught.value.data["until_ms"] == 5
            assert connection.is_open
            await connection.close()

    run(work())


def test_a82_an_unknown_code_of_refusal_is_unavailable(tmp_path: Path) -> None:
    async def work() -> None:
        lies = Lies(answer=lambda r: (replies.Failed(r.rid, "nonsense", "?"),))  # type: ignore[union-attr]
        async with lying_relay(lies, tmp_path) as address:
            connection = await dial(address)
            with pytest.raises(WireError) as caught:
                await connection.request(LOOKUP)
            assert caught.value.code is Code.UNAVAILABLE
            await connection.close()

    run(work())


def test_answers_find_their_questions_in_any_order_and_pushes_keep_theirs(tmp_path: Path) -> None:
    async def work() -> None:
        waiting: list[requests.Lookup] = []

        def answer(request: requests.Request) -> list[Any]:
            assert isinstance(request, requests.Lookup)
            waiting.append(request)
            if len(waiting) < 3:
                return [pushes.PackagesLow(1, len(waiting))]
            return [_info(one.rid, one.name) for one in reversed(waiting)]

        heard: list[Any] = []
        async with lying_relay(Lies(answer=answer), tmp_path) as address:
            connection = await dial(address, on_push=heard.append)
            names = ("ann", "bob", "cleo")
            asked = [connection.request(requests.Lookup(0, name)) for name in names]
            found = await asyncio.gather(*asked)
            await connection.close()
        assert tuple(answer.account for answer in found) == names
        assert [push.left for push in heard] == [1, 2]

    run(work())


def _info(rid: int, name: str) -> replies.AccountInfo:
    return replies.AccountInfo(rid, name, name, b"", False, False)


def test_a50_a_proof_stands_for_one_connection(tmp_path: Path) -> None:
    """What was captured of a log-in is worthless on the next connection."""

    async def work() -> None:
        signer = SigningKey.from_seed(b"\3" * 32)
        proofs = set()
        async with lying_relay(Lies(), tmp_path) as address:
            for _ in range(3):
                connection = await dial(address)
                proofs.add(connection.proof(signer, account="bob", device=bytes(16)))
                await connection.close()
        assert len(proofs) == 3

    run(work())
