"""A whole relay with real sockets: log-in, sessions, faults and the drain."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import os
from pathlib import Path
from typing import Any

import pytest

from relay.config import Config
from relay.errors import StartError
from relay.metrics import Metrics, registry_of
from relay.metrics_page import MetricsPage
from tests.relay.client import connect, new_device
from tests.relay.live import live, member, operate, run
from wire import pushes, replies, requests
from wire.errors import Code, WireError


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


def test_too_many_tries_on_one_connection_must_wait(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            alice = new_device("alice")
            codes = [(await client.resume(alice)).code for _ in range(11)]
            assert codes == ["bad_credentials"] * 10 + ["rate_limited"]

    run(scenario())


def test_a_renewed_certificate_is_used_by_new_connections(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            before = await connect(relay.port)
            for name in ("tls.crt", "tls.key"):
                (relay.belongings.folder / name).unlink()
            relay.relay.reload(lambda: Config(data=relay.belongings.folder))
            after = await connect(relay.port)
            assert before.spki_hash != after.spki_hash
            assert before.hello is not None
            assert after.hello is not None
            assert before.hello.relay_key == after.hello.relay_key

    run(scenario())


def test_limits_are_taken_over_while_people_are_connected(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await member(relay, "alice")
            wanted = Config(data=relay.belongings.folder, requests_per_s=3)
            relay.relay.reload(lambda: wanted)
            services = relay.relay.services
            assert services.gate.requests.per_s == 3
            assert isinstance(await client.ask(requests.Who, None), replies.NameList)
            smaller = dataclasses.replace(wanted, stored_mib_per_account=1)
            relay.relay.reload(lambda: smaller)
            assert services.context.limits.stored_bytes_per_account == 1 << 20

    run(scenario())


def test_settings_that_make_no_sense_change_nothing(tmp_path: Path) -> None:
    def broken() -> Config:
        raise StartError("port must be a whole number.")

    async def scenario() -> None:
        async with live(tmp_path) as relay:
            before = relay.relay.services.gate.requests
            identity = relay.relay.acceptor.identity
            relay.relay.reload(broken)
            assert relay.relay.services.gate.requests is before
            assert relay.relay.acceptor.identity is identity

    run(scenario())


def test_a85_metrics_have_an_address_of_their_own_and_name_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path, metrics_address="127.0.0.1:0") as relay:
            page = relay.relay.metrics_page
            assert page is not None
            await member(relay, "alice")

            def get(path: str) -> tuple[int, bytes]:
                line = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
                line.request("GET", path)
                answer = line.getresponse()
                return answer.status, answer.read()

            status, text = await asyncio.to_thread(get, "/metrics")
            assert status == 200
            assert b"\nsotto_sessions 1.0\n" in text
            assert b"\nsotto_logins_total " in text
            assert b"\nsotto_commit_seconds_count " in text
            assert b"alice" not in text
            assert await asyncio.to_thread(get, "/healthz") == (200, b"ok\n")
            for path in ("/", "/debug", "/metrics/", "/metrics/../etc/passwd"):
                assert (await asyncio.to_thread(get, path))[0] == 404
            relay.relay._probes[0].finish(WireError(Code.UNAVAILABLE, ""))
            assert (await asyncio.to_thread(get, "/healthz"))[0] == 503

    run(scenario())


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    registry = registry_of(Metrics())
    first = MetricsPage(("127.0.0.1", 0), registry, is_healthy=lambda: True)
    with pytest.raises(StartError, match="Cannot listen on"):
        MetricsPage(("127.0.0.1", first.port), registry, is_healthy=lambda: True)
    first.close()


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
