"""Log-ins at the edges: what they leave in the log, what they cost, and races with bans."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import gate, logs, passwords
from relay.handshake import State
from tests.relay.client import PASSWORD, connect, new_device
from tests.relay.live import live, operate, run, until
from wire import pushes, replies, requests


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger("sotto")
    before = root.handlers[:], root.level, root.propagate
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Lines(is_console=False))
    root.handlers[:] = [handler]
    root.setLevel("DEBUG")
    yield stream
    root.handlers[:], root.level, root.propagate = before  # type: ignore[misc]


def test_a91_no_secret_name_or_address_is_in_the_log_at_debug_level(
    tmp_path: Path, log: io.StringIO
) -> None:
    async def scenario() -> list[str]:
        async with live(tmp_path, log_level="debug") as relay:
            context = relay.belongings.context
            canaries = [
                "canaryname",
                "Canary-Password-1",
                "canary@example.org",
                "sealed",
                "Wrong-Canary-2",
                "canary-typed",
                "127.0.0.1",
                context.pepper.hex(),
                context.signing_key.seed.hex(),
                relay.belongings.admin_code or "",
            ]
            device = new_device("CanaryName")
            client = await connect(relay.port)
            more = {"email": "canary@example.org", "password": "Canary-Password-1"}
            await client.register(device, **more)
            proof = client.proof(device)
            canaries += [device.key.seed.hex(), device.id.hex(), client.nonce.hex(), proof.hex()]
            for name, word in (("canaryname", "Wrong-Canary-2"), ("canary-typed", "x")):
                stranger = await connect(relay.port)
                assert (await stranger.log_in(name, password=word)).code == "bad_credentials"
            thief = await connect(relay.port)
            await thief.resume(device.another())
            await operate(relay, action="ban", name="canaryname", reason="canary-reason")
            await client.wait_closed()
            return [canary.lower() for canary in [*canaries, "canary-reason"]]

    canaries = []

    async def collect() -> None:
        canaries.extend(await scenario())

    run(collect())
    written = log.getvalue().lower()
    assert '"event": "logged in"' in written
    assert '"event": "log-in refused"' in written
    assert len(canaries) >= 15
    assert [canary for canary in canaries if canary in written] == []


def test_addresses_are_logged_when_the_operator_asks(tmp_path: Path, log: io.StringIO) -> None:
    async def scenario() -> None:
        async with live(tmp_path, log_addresses=True) as relay:
            await connect(relay.port)

    run(scenario())
    assert '"address": "127.0.0.1"' in log.getvalue()


def test_a61_an_unknown_name_costs_one_bcrypt_and_gets_the_same_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    real = passwords.bcrypt.checkpw

    def counting(password: bytes, stored: bytes) -> bool:
        counted.append(1)
        return real(password, stored)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counting)

    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(new_device("alice"))
            answers = []
            for name in ("alice", "nobody", "nobody@example.org", "\x00", "x" * 250):
                stranger = await connect(relay.port)
                stranger._rid = 6
                answers.append(await stranger.log_in(name, password="Falsch-geraten-1"))
            assert len(set(map(repr, answers))) == 1
            assert len(counted) == 5

    run(scenario())


def test_a62_guessing_slows_down_and_the_owner_with_his_device_still_gets_in(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(alice)
            codes = []
            for _ in range(20):
                stranger = await connect(relay.port)
                codes.append((await stranger.log_in("alice", password="Falsch-1x")).code)
            assert codes.count("bad_credentials") == gate.GUESSES.burst
            assert set(codes) == {"bad_credentials", "rate_limited"}
            late = await connect(relay.port)
            assert (await late.log_in("alice", alice)).code == "rate_limited"
            assert (await late.resume(alice)).account == "alice"

    run(scenario())


def test_a63_more_log_ins_than_the_queue_holds_are_told_to_come_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            relay.relay.services.hashing.waiting = 64
            client = await connect(relay.port)
            failed = await client.log_in("alice")
            assert (failed.code, failed.data) == ("unavailable", {"retry_after_ms": 5000})
            relay.relay.services.hashing.waiting = 0
            assert (await client.log_in("alice")).code == "bad_credentials"

    run(scenario())


def test_a70_a_ban_between_the_check_and_the_session_ends_the_session(tmp_path: Path) -> None:
    """Both go to the database in one batch, the log-in first: the ban must find its session."""

    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            first = await connect(relay.port)
            await first.register(alice)
            first.close()
            for _ in range(5):
                client = await connect(relay.port)
                rid = client.rid()
                proof = client.proof(alice)
                client.send(requests.Resume(rid, "alice", alice.id, proof))
                ban = asyncio.ensure_future(operate(relay, action="ban", name="alice"))
                await client.wait_closed_or(lambda c=client, r=rid: c._answer(r))
                await ban
                banned = relay.relay.services.bus.sessions()
                assert [session.who.account for session in banned] == []
                await operate(relay, action="unban", name="alice")

    run(scenario())


def test_one_log_in_at_a_time_on_a_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        alice = new_device("alice")
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(alice)
            double = await connect(relay.port)
            double.send(requests.Login(1, "alice", PASSWORD))
            double.send(requests.Login(2, "alice", PASSWORD))
            assert (await double.answer(2)).code == "bad_request"
            assert isinstance(await double.answer(1), replies.AccountFound)

    run(scenario())


def test_a_connection_that_goes_during_its_log_in_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            witness = await connect(relay.port)
            await witness.register(new_device("witness"))
            for number in range(5):
                client = await connect(relay.port)
                device = new_device(f"someone{number}")
                client.send(
                    requests.Register(
                        1,
                        device.name,
                        None,
                        PASSWORD,
                        None,
                        device.chain,
                        b"sealed",
                        client.proof(device),
                    )
                )
                client.close()
            await witness.ask(requests.Heads)
            services = relay.relay.services
            await witness.wait(lambda: len(services.connections) == 1 or None)
            assert len(services.bus) == 1
            assert all(c.state is State.READY for c in services.connections)
            assert not [f for f in witness.frames if isinstance(f, pushes.Ended)]

    run(scenario())


def test_a70_a_new_identity_ends_old_sessions_though_its_own_connection_is_gone(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            old = await connect(relay.port)
            await old.register(new_device("alice"))
            new = await connect(relay.port)
            await new.log_in("alice")
            services = relay.relay.services
            begun, release = threading.Event(), threading.Event()

            def hold(_database: object) -> None:
                begun.set()
                release.wait(10)

            services.writer.submit(hold, lambda _result: None)
            await asyncio.to_thread(begun.wait)
            device = new_device("alice")
            new.send(
                requests.Enroll(
                    new.rid(), device.chain, new.proof(device), new_identity=True, sealed_root=b"x"
                )
            )
            await until(lambda: services.writer.waiting() >= 1)
            new.close()
            await until(lambda: len(services.connections) == 1)
            release.set()
            assert (await old.push(pushes.Ended)).reason is pushes.EndReason.REVOKED

    run(scenario())
