"""The write-ahead log stays small while much is written, and nothing of it is lost."""

from __future__ import annotations

import threading

from relay import checkpointing
from relay.checkpointing import RESTART_AT_BYTES, Checkpointing
from storage.relay.checkpoint import wal_size_bytes
from storage.relay.errors import Unavailable
from tests.relay.actors import World


def fail(error: Exception) -> None:
    raise AssertionError from error


def fill(world: World, *, over_bytes: int) -> int:
    """Say so much that the log grows beyond a size; return how many messages that took."""
    alice = world.account("Alice")
    room = alice.room()
    count = 0
    while wal_size_bytes(world.database) <= over_bytes:
        alice.say(room, bytes(60_000))
        count += 1
    return count


def test_a_long_log_begins_anew(world: World) -> None:
    count = fill(world, over_bytes=RESTART_AT_BYTES)
    Checkpointing(world.database, failed=fail).turn()
    assert wal_size_bytes(world.database) < 1 << 20
    with world.database.read() as connection:
        found = connection.exec_driver_sql("SELECT last_seq FROM conversations").scalar()
    assert found == count


def test_it_runs_until_it_is_closed(world: World) -> None:
    running = Checkpointing(world.database, failed=fail, turn_s=0.001)
    running.start()
    fill(world, over_bytes=checkpointing.MOVE_AT_BYTES)
    running.close()
    assert not [t for t in threading.enumerate() if t.name == "sotto-checkpoint"]


def test_a_failure_is_said_and_the_next_turn_tries_again(world: World) -> None:
    failures: list[Exception] = []
    twice = threading.Event()

    def failed(error: Exception) -> None:
        failures.append(error)
        if len(failures) == 2:
            twice.set()

    class Broken(Checkpointing):
        def turn(self) -> None:
            raise Unavailable("disk I/O error")

    running = Broken(world.database, failed=failed, turn_s=0.001)
    running.start()
    assert twice.wait(30)
    running.close()
