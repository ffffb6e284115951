"""Groups over real sockets: fan-out, the pace of commits, and Removes that somebody must commit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.outcome import EndSessions, Outcome
from relay.pace import Result
from tests.relay import client as wire_client
from tests.relay.actors import Device, World
from tests.relay.client import Client, connect
from tests.relay.live import Live, live, operate, run, until
from wire import pushes, replies, requests
from wire.limits import COMMIT_PACE_S


@dataclass
class Town:
    """A running relay, and the means to make accounts and groups in its database directly."""

    live: Live
    world: World

    async def enter(self, device: Device) -> Client:
        client = await connect(self.live.port)
        known = wire_client.Device(device.display, device.root, device.signer)
        reply = await client.resume(known)
        assert isinstance(reply, replies.LoggedIn), reply
        return client


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    async with live(folder) as relay:
        world = World(relay.belongings.database)
        world.context = relay.relay.services.context
        world.clock.ms = time.time_ns() // 1_000_000
        yield Town(relay, world)


def test_a_message_reaches_every_other_device_and_is_answered_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice, bob = place.world.account("Alice"), place.world.account("Bob")
            phone = alice.sibling()
            room = alice.room()
            alice.add(room, bob, phone)
            clients = [await place.enter(device) for device in (alice, bob, phone)]
            requested = [alice.message(room, b"%d" % number) for number in range(20)]
            for request in requested:
                clients[0].send(request)
            seqs = [await clients[0].answer(request.rid) for request in requested]
            assert seqs == list(range(2, 22))
            for client in clients[1:]:
                told: list[tuple[int, bytes]] = []
                while len(told) < len(seqs):
                    push = await client.push(pushes.Entries)
                    assert push.conversation == room
                    told += [(e.seq, e.message) for e in push.entries]
                assert told == [(s, r.message) for s, r in zip(seqs, requested, strict=True)]
            again = await clients[0].ask(
                lambda rid: requests.Append(rid, room, requested[3].message)
            )
            assert again == seqs[3]
            assert not [f for f in clients[0].frames if isinstance(f, pushes.Entries)]

    run(scenario())


def test_racing_commits_one_wins_and_the_loser_is_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice, bob = place.world.account("Alice"), place.world.account("Bob")
            room = alice.room()
            alice.add(room, bob)
            clients = [await place.enter(device) for device in (alice, bob)]
            (first, _), (second, _) = alice.commit(room), bob.commit(room)
            begun_s = time.monotonic()
            clients[0].send(first)
            assert await clients[0].answer(first.rid) == 2
            clients[1].send(second)
            conflict = await clients[1].answer(second.rid)
            assert conflict == replies.Conflict(second.rid, 2)
            bob.catch_up(room)
            third, _ = bob.commit(room)
            clients[1].send(third)
            assert await clients[1].answer(third.rid) == 3
            assert time.monotonic() - begun_s >= COMMIT_PACE_S

    run(scenario())


def test_a_commit_that_waits_dies_with_its_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice, bob = place.world.account("Alice"), place.world.account("Bob")
            room = alice.room()
            alice.add(room, bob)
            clients = [await place.enter(device) for device in (alice, bob)]
            services = place.live.relay.services
            held, _ = alice.commit(room)
            services.pace.join(room, alice.id, "held")  # somebody's commit is at work
            assert services.pace.next(room, services.now_s()) == "held"
            clients[0].send(held)
            await clients[1].ask(requests.Heads)
            clients[0].close()
            await clients[1].wait(lambda: len(services.bus) == 1 or None)
            services.pace.finish(room, alice.id, Result.REFUSED, services.now_s())
            mine, _ = bob.commit(room)
            clients[1].send(mine)
            assert await clients[1].answer(mine.rid) == 2

    run(scenario())


def test_a16_after_a_ban_somebody_online_is_asked_to_commit_and_nobody_speaks_before(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice, mallory = place.world.account("Alice"), place.world.account("Mallory")
            room = alice.room()
            alice.add(room, mallory)
            clients = [await place.enter(device) for device in (alice, mallory)]
            await operate(place.live, action="ban", name="mallory", reason="spam")
            await clients[1].wait_closed()
            push = await clients[0].push(pushes.Entries)
            assert [entry.seq for entry in push.entries] == [2]
            wanted = await clients[0].push(pushes.CommitWanted)
            assert wanted == pushes.CommitWanted(room, 2)
            early = alice.message(room)
            clients[0].send(early)
            assert await clients[0].answer(early.rid) == replies.Conflict(early.rid, 2, True)
            alice.catch_up(room)
            commit, own = alice.commit(room)
            clients[0].send(commit)
            assert await clients[0].answer(commit.rid) == 3
            assert len(place.live.relay.services.asking) == 0
            alice._hold(own.group, 3)
            late = alice.message(room)
            clients[0].send(late)
            assert await clients[0].answer(late.rid) == 4

    run(scenario())


def test_a16_a_remove_that_waits_is_remembered_over_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice, mallory = place.world.account("Alice"), place.world.account("Mallory")
            room = alice.room()
            alice.add(room, mallory)
            await operate(place.live, action="ban", name="mallory")
        async with town(tmp_path) as place:
            client = await place.enter(alice)
            assert await client.push(pushes.CommitWanted) == pushes.CommitWanted(room, 2)

    run(scenario())


@pytest.mark.parametrize("kicked", [True, False])
def test_a71_a_commit_in_line_goes_with_its_session(tmp_path: Path, kicked: bool) -> None:
    async def scenario() -> None:
        async with town(tmp_path) as place:
            alice = place.world.account("Alice")
            room = alice.room()
            client = await place.enter(alice)
            services = place.live.relay.services
            begun, release = threading.Event(), threading.Event()

            def hold(_database: object) -> None:
                begun.set()
                release.wait(10)

            services.writer.submit(hold, lambda _result: None)
            await asyncio.to_thread(begun.wait)
            for _ in range(3):
                client.send(alice.commit(room)[0])
            await until(lambda: services.flow.in_flight == 3)
            assert services.flow.size_bytes > 1000
            if kicked:
                ended = pushes.Ended(pushes.EndReason.KICKED)
                services.bus.tell(Outcome(None, (EndSessions("alice", None, ended),)), None)
            else:
                client.close()
            await until(lambda: not services.connections)
            assert services.flow.in_flight == 1  # what the writer has already
            release.set()
            await until(lambda: services.flow.in_flight == 0)
            assert services.flow.size_bytes == 0
            assert alice.fetch(room).last_seq == 1

    run(scenario())
