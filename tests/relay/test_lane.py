"""The lane: what comes in while the writer is busy goes together, and everybody is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from relay import lane as module
from relay.bus import Bus, Session
from relay.lane import Lane
from relay.metrics import Metrics
from relay.outlet import Outlet, Turn
from relay.presence import Online
from relay.worker import Worker
from storage.relay import segment_rows
from storage.relay.errors import Collision
from tests.relay.actors import Device, World
from tests.relay.test_outlet import Line, Loop, frames
from wire import replies
from wire.errors import WireError
from wire.requests import Append


@dataclass(eq=False)
class Peer:
    """A connection, as the lane knows one."""

    session: Session
    outlet: Outlet
    line: Line
    in_flight: list[int] = field(default_factory=list)

    def began(self, size: int) -> None:
        self.in_flight.append(size)

    def done(self, size: int, *, count: int = 1) -> None:
        assert sum(self.in_flight) >= size
        del self.in_flight[:count]


class Street:
    """A lane with a real writer whose callbacks run when the test says so."""

    def __init__(self, world: World) -> None:
        self.world, self.loop = world, Loop()
        self.turn = Turn(self.loop.call_soon, Metrics())
        self.bus = Bus(Online(), ask=lambda _: None, undone=lambda _: None)
        self.told: list[Callable[[], None]] = []
        self.batches = 0
        self._came = threading.Condition()
        self.writer = Worker("test-writer", world.database.write, deliver=self._deliver)
        self.services: Any = SimpleNamespace(
            loop=self.loop,
            context=world.context,
            writer=self.writer,
            bus=self.bus,
            metrics=Metrics(),
        )
        self.refused: list[tuple[int, Exception]] = []
        self.alone: list[int] = []
        self.lane = Lane(
            self.services,
            refuse=lambda _peer, request, error: self.refused.append((request.rid, error)),
            alone=lambda _peer, request: self.alone.append(request.rid),
        )

    def _deliver(self, callbacks: Any) -> None:
        with self._came:
            self.told += callbacks
            self.batches += 1
            self._came.notify_all()

    def peer(self, device: Device) -> Peer:
        line = Line()
        outlet = Outlet(self.turn, line)
        peer = Peer(Session(device.who, device.display, outlet), outlet, line)
        self.bus.join(peer.session)
        return peer

    def take(self, peer: Peer, request: Append) -> None:
        self.lane.take(peer, request)  # type: ignore[arg-type]

    @contextmanager
    def busy_writer(self) -> Iterator[None]:
        """Keep the writer from taking anything."""
        free, waits = threading.Event(), threading.Event()

        def wait(_connection: object) -> None:
            waits.set()
            assert free.wait(30)

        self.writer.submit(wait, lambda _result: None)
        assert waits.wait(30)
        yield
        free.set()

    def until(self, done: Callable[[], bool]) -> None:
        """Run what the writer delivers until something is so."""
        while True:
            self.loop.turn()
            if done():
                return
            with self._came:
                assert self._came.wait_for(lambda: self.told, 30)
                told, self.told = self.told, []
            for callback in told:
                callback()

    def got(self, peer: Peer) -> list[Any]:
        self.loop.turn()
        found = [frame for data in peer.line.writes for frame in frames(data)]
        peer.line.writes.clear()
        return found


@pytest.fixture
def street(world: World) -> Iterator[Street]:
    made = Street(world)
    yield made
    made.writer.close()


def test_what_waits_goes_in_one_batch(street: Street) -> None:
    alice, bob = street.world.account("Alice"), street.world.account("Bob")
    room = alice.room()
    alice.add(room, bob)
    at_alice, at_bob = street.peer(alice), street.peer(bob)
    mine = [alice.message(room) for _ in range(3)]
    his = bob.message(room)
    with street.busy_writer():
        for peer, request in (
            (at_alice, mine[0]),
            (at_bob, his),
            *((at_alice, m) for m in mine[1:]),
        ):
            street.take(peer, request)
        assert len(street.lane) == 4
        assert len(at_alice.in_flight) == 3
    street.until(lambda: not at_alice.in_flight and not at_bob.in_flight)
    # One device's messages follow each other: nobody was told otherwise yet.
    to_alice = street.got(at_alice)
    assert to_alice[0] == replies.Accepted(tuple((m.rid, n) for n, m in enumerate(mine, 2)))
    assert [entry.seq for entry in to_alice[1].entries] == [5]
    assert len(to_alice) == 2
    with street.world.database.read() as connection:
        assert len(segment_rows.oldest(connection, 1, 9)) == 2  # the commit's, and the messages'


def test_what_comes_later_calls_the_writer_again(street: Street) -> None:
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    answers: list[Any] = []
    for _ in range(3):
        request = alice.message(room)
        street.take(peer, request)
        street.until(lambda: not peer.in_flight)
        answers += street.got(peer)
    assert [answer.answers[0][1] for answer in answers] == [1, 2, 3]


def test_more_than_a_batch_holds_goes_in_several(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    requested = [alice.message(room) for _ in range(5)]
    with street.busy_writer():
        for request in requested:
            street.take(peer, request)
    street.until(lambda: not peer.in_flight)
    found = [answer for frame in street.got(peer) for answer in frame.answers]
    assert found == [(request.rid, seq) for seq, request in enumerate(requested, 1)]


def test_a_full_lane_takes_nothing_more(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CAPACITY", 1)
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    with street.busy_writer():
        street.take(peer, alice.message(room))
        with pytest.raises(WireError, match="try again"):
            street.take(peer, alice.message(room))
        assert len(peer.in_flight) == 1
    street.until(lambda: not peer.in_flight)
    assert len(street.got(peer)) == 1


def test_each_refusal_reaches_whoever_asked(street: Street) -> None:
    alice, bob = street.world.account("Alice"), street.world.account("Bob")
    room = alice.room()
    at_alice, at_bob = street.peer(alice), street.peer(bob)
    good, late = alice.message(room), alice.message(room, stands_on=9)
    strange = Append(77, room, good.message[:-1])
    with street.busy_writer():
        for peer, request in ((at_bob, strange), (at_alice, late), (at_alice, good)):
            street.take(peer, request)
    street.until(lambda: not at_alice.in_flight and not at_bob.in_flight)
    assert [rid for rid, _ in street.refused] == [77]
    told = street.got(at_alice)
    assert sorted(told, key=lambda frame: type(frame).__name__) == [
        replies.Accepted(((good.rid, 1),)),
        replies.Conflict(late.rid, 0, removal=False),
    ]


def test_a_fault_with_one_has_each_done_alone(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "append_messages", broken)
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    requested = [alice.message(room) for _ in range(2)]
    with street.busy_writer():
        for request in requested:
            street.take(peer, request)
    street.until(lambda: not peer.in_flight)
    assert street.alone == [request.rid for request in requested]
    street.take(peer, requested[0])
    street.until(lambda: not peer.in_flight)
    assert [type(error) for _, error in street.refused] == [ZeroDivisionError]


def test_a_lost_race_takes_the_same_messages_again(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [Collision(), Collision()]
    real = module.append_messages

    def losing(*arguments: Any) -> Any:
        if lost:
            raise lost.pop()
        return real(*arguments)

    monkeypatch.setattr(module, "append_messages", losing)
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    request = alice.message(room)
    street.take(peer, request)
    street.until(lambda: not peer.in_flight)
    assert street.got(peer) == [replies.Accepted(((request.rid, 1),))]


def test_a_failing_database_refuses_all_and_stores_nothing(street: Street) -> None:
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    street.world.run(lambda c: c.execute(text("ALTER TABLE segments RENAME TO away")).close())
    requested = [alice.message(room) for _ in range(6)]
    with street.busy_writer():
        for request in requested:
            street.take(peer, request)
    street.until(lambda: not peer.in_flight)
    assert [rid for rid, _ in street.refused] == [request.rid for request in requested]
    street.world.run(lambda c: c.execute(text("ALTER TABLE away RENAME TO segments")).close())
    street.take(peer, requested[3])
    street.until(lambda: not peer.in_flight)
    assert street.got(peer) == [replies.Accepted(((requested[3].rid, 1),))]


def test_a_stopping_relay_refuses_at_once(street: Street) -> None:
    alice = street.world.account("Alice")
    room = alice.room()
    peer = street.peer(alice)
    street.writer.close()
    street.take(peer, alice.message(room))
    street.loop.turn()
    assert len(street.refused) == 1
    assert not peer.in_flight
