"""Keeping house: what is deleted, what never is, and who is removed for being away."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from relay import history, segments, verdicts
from relay.housekeeping import Housekeeping
from relay.outcome import AskCommit, Outcome
from relay.retention import delete_old, remove_idle, unreachable_nodes
from relay.worker import Worker, writer
from storage.relay import account_rows, conversation_rows, retention_rows
from storage.relay.checkpoint import checkpoint, wal_size_bytes
from storage.relay.schema import commits, nodes
from tests.relay.actors import Device, World
from tests.relay.worlds import rid, told
from wire import replies, requests
from wire.limits import DEFAULT_RETENTION_S
from wire.pushes import Undone
from wire.requests import Verdict


@pytest.fixture
def work(world: World) -> Iterator[Worker]:
    worker = writer(world.database)
    yield worker
    worker.close()


def row_of(world: World, room: bytes) -> int:
    def job(connection: Connection) -> int:
        found = conversation_rows.find(connection, room)
        assert found is not None
        return found.id

    return int(world.run(job))


def clean(world: World, room: bytes) -> None:
    row = row_of(world, room)
    world.run(lambda c: history.write_cursors(c, world.context))
    world.run(lambda c: delete_old(c, world.context, row))


def ack(device: Device, room: bytes, seq: int) -> None:
    device.do(verdicts.ack, requests.Ack(rid(), room, seq))


def kept(device: Device, room: bytes) -> list[int]:
    return [entry.seq for entry in device.fetch(room).entries]


def count(world: World, table: Any, row: int) -> int:
    query = select(func.count()).where(table.c.conversation_id == row)
    return int(world.run(lambda c: c.execute(query).scalar_one()))


def pair(world: World) -> tuple[Device, Device, bytes]:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    return alice, bob, room


def test_what_all_have_acknowledged_is_deleted(any_world: World) -> None:
    world = any_world
    alice, bob, room = pair(world)
    for _ in range(3):
        alice.say(room)
    ack(alice, room, 4)
    ack(bob, room, 2)
    clean(world, room)
    assert kept(bob, room) == [3, 4]
    found = bob.fetch(room)
    assert (found.first_kept, found.last_seq) == (3, 4)
    ack(bob, room, 4)
    clean(world, room)
    found = bob.fetch(room)
    assert (found.entries, found.first_kept, found.last_seq) == ((), 5, 4)
    said = alice.say(room, b"more").reply
    assert isinstance(said, replies.Accepted)
    assert said.answers[0][1] == 5
    assert kept(bob, room) == [5]


def test_what_is_old_is_deleted_read_or_not(world: World) -> None:
    alice, bob, room = pair(world)
    alice.say(room)
    world.clock.ms += DEFAULT_RETENTION_S * 1000 - 1
    alice.say(room)
    clean(world, room)
    assert kept(bob, room) == [1, 2, 3]
    world.clock.ms += 2
    clean(world, room)
    assert kept(bob, room) == [3]


def test_the_removed_still_read_their_removal(world: World) -> None:
    alice, bob, room = pair(world)
    alice.send_commit(room, alice.commit(room, [alice.remove_of(room, bob)]))
    ack(alice, room, 2)
    clean(world, room)
    assert kept(bob, room) == [2]
    ack(bob, room, 2)
    clean(world, room)
    assert kept(bob, room) == []


def test_a_joiner_finds_everything_after_all_was_deleted(any_world: World) -> None:
    world = any_world
    alice, bob, room = pair(world)
    for _ in range(6):
        alice.send_commit(room, alice.commit(room))
        bob.catch_up(room)
    ack(alice, room, 7)
    ack(bob, room, 7)
    row = row_of(world, room)
    clean(world, room)
    assert count(world, commits, row) == 1
    before = count(world, nodes, row)
    with world.database.read() as connection:
        gone, seq = unreachable_nodes(connection, row)
    world.run(lambda c: retention_rows.delete_nodes(c, row, gone, seq))
    assert count(world, nodes, row) == before - len(gone) == 3
    assert len(gone) > 3
    carol = world.account("Carol")
    assert isinstance(carol.join(room).reply, replies.Accepted)
    alice.catch_up(room)
    alice.say(room, b"welcome")
    assert carol.catch_up(room) == [b"welcome"]


def test_a_welcome_that_waits_keeps_its_commit_and_tree(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    carol = world.account("Carol")
    room = alice.room()
    bob.publish()
    alice.send_commit(room, alice.commit(room, alice.adds_of("bob")))
    alice.add(room, carol)
    for _ in range(3):
        alice.send_commit(room, alice.commit(room))
    for device in (alice, carol):
        ack(device, room, 5)
    clean(world, room)
    row = row_of(world, room)
    with world.database.read() as connection:
        gone, seq = unreachable_nodes(connection, row)
    world.run(lambda c: retention_rows.delete_nodes(c, row, gone, seq))
    bob.accept_welcome()
    assert bob.catch_up(room) == []
    assert bob.groups[room].epoch == alice.groups[room].epoch


def test_deleting_gives_the_space_back(world: World) -> None:
    alice, bob, room = pair(world)
    del bob

    def used() -> int:
        found = world.run(lambda c: account_rows.account_by_id(c, alice.who.account_id))
        return int(found.stored_bytes) + world.context.usage.of(found.id)

    before = used()
    alice.say(room, bytes(5000))
    assert used() > before + 5000
    world.clock.ms += DEFAULT_RETENTION_S * 1000 + 1
    clean(world, room)
    clean(world, room)
    assert used() <= before


def test_what_a_commit_stood_on_being_gone_it_stays(world: World) -> None:
    alice, bob, room = pair(world)
    alice.send_commit(room, alice.commit(room))
    world.clock.ms += DEFAULT_RETENTION_S * 1000 + 1
    clean(world, room)
    vote = requests.Ack(rid(), room, 2, ((2, Verdict.REFUSED),))
    assert told(bob.do(verdicts.ack, vote).events, Undone) == []
    assert world.run(lambda c: verdicts.settle(c, world.context)).events == ()
    assert isinstance(alice.say(room, b"on").reply, replies.Accepted)


def test_idle_lobby_leaves_are_removed(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    lobby, room = alice.lobby(), alice.room()
    bob.join(lobby)
    bob.join(room)
    world.clock.ms += world.context.limits.lobby_idle_s * 1000 + 1
    phone = alice.sibling()
    phone.join(lobby)
    outcome = world.run(lambda c: remove_idle(c, world.context))
    assert isinstance(outcome, Outcome)
    (ask,) = [event for event in outcome.events if isinstance(event, AskCommit)]
    assert (ask.conversation, ask.candidates) == (lobby, (phone.id,))
    assert world.run(lambda c: remove_idle(c, world.context)).events == ()


def test_a_turn_does_all_of_it(world: World, work: Worker) -> None:
    alice, bob, room = pair(world)
    people = [alice, bob, *(world.account(name) for name in ("Carol", "Dave"))]
    alice.add(room, *people[2:])
    eve = world.account("Eve")
    eve.join(room)
    vote = requests.Ack(rid(), room, 3, ((3, Verdict.REFUSED),))
    bob.do(verdicts.ack, vote)
    world.clock.ms += verdicts.GRACE_MS + 1
    told_events: list[Outcome] = []
    failures: list[Exception] = []
    house = Housekeeping(
        world.database, work, world.context, tell=told_events.append, failed=failures.append
    )
    for device in people:
        ack(device, room, 2)
    for number in range(2):
        house.turn(number)
    house.close()
    assert failures == []
    assert told(told_events[0].events, Undone) == [Undone(room, 3)]
    assert kept(alice, room) == [3]


def test_it_runs_by_itself_and_ends(world: World, work: Worker) -> None:
    alice, bob, room = pair(world)
    alice.say(room)
    failures: list[Exception] = []
    house = Housekeeping(
        world.database,
        work,
        world.context,
        tell=lambda outcome: None,
        failed=failures.append,
        turn_s=0.001,
    )
    house.start()
    ack(alice, room, 2)
    ack(bob, room, 2)
    for _ in range(2000):
        if kept(bob, room) == []:
            break
    house.close()
    assert kept(bob, room) == []
    assert failures == []


def test_a_checkpoint_shrinks_nothing_that_is_needed(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    for _ in range(30):
        alice.say(room, bytes(20_000))
    assert wal_size_bytes(world.database) > 600_000
    checkpoint(world.database)
    for _ in range(30):
        alice.say(room, bytes(20_000))
    assert wal_size_bytes(world.database) < 2_500_000
    assert len(alice.fetch(room, 40).entries) == 20


def test_a_turn_looks_at_a_slice_of_a_long_log(world: World) -> None:
    """Each second, in the writer's thread: a log of a million entries must not cost more."""
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    alice.add(room, bob)
    row = row_of(world, room)
    steps: list[int] = []

    def turn(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        counted: list[int] = []
        raw.set_progress_handler(lambda: counted.append(1), 10)
        delete_old(connection, world.context, row)
        raw.set_progress_handler(None, 0)
        steps.append(len(counted))

    def fill(connection: Connection, first: int, last: int) -> None:
        for seq in range(first, last):
            entry = replies.Entry(seq, world.clock.ms, b"x")
            segments.write(connection, row, [entry], segments.by_relay([entry]))
        conversation_rows.advance(connection, [(row, first - 1, last - 1)])

    world.run(lambda c: fill(c, 2, 1000))
    world.run(turn)
    world.run(lambda c: fill(c, 1000, 6000))
    world.run(turn)
    assert steps[1] < 2 * steps[0]


def test_a89_keeping_house_goes_on_after_whatever_went_wrong(world: World, work: Worker) -> None:
    """Else cursors, verdicts and the write-ahead log stand still until the next start."""
    went_wrong: list[Exception] = []
    ready = threading.Event()

    def failed(error: Exception) -> None:
        went_wrong.append(error)
        if len(went_wrong) >= 3:
            ready.set()

    def fault() -> int:
        raise ZeroDivisionError

    context = dataclasses.replace(world.context, now_ms=fault)
    world.account("Alice").room()
    house = Housekeeping(
        world.database, work, context, tell=lambda _outcome: None, failed=failed, turn_s=0.01
    )
    house.start()
    assert ready.wait(20)
    house.close()
