"""The threads that own the database: batches, refusals, faults, and a failing disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from relay.worker import Worker, reader, run_batch, writer
from storage.relay import account_rows
from storage.relay.errors import Collision, Unavailable
from storage.relay.schema import settings
from tests.relay.actors import World
from wire.errors import Code, WireError


def put(name: str, value: str = "x") -> Callable[[Connection], str]:
    def job(connection: Connection) -> str:
        connection.execute(insert(settings), {"name": name, "value": value})
        return name

    return job


def names(world: World) -> list[str]:
    def job(connection: Connection) -> list[str]:
        return sorted(connection.execute(select(settings.c.name)).scalars())

    found = world.run(job)
    assert isinstance(found, list)
    return found


def refuse(_connection: Connection) -> None:
    raise WireError(Code.FORBIDDEN, "no")


def break_down(_connection: Connection) -> None:
    raise ZeroDivisionError


def test_a_refusal_concerns_its_job_only(any_world: World) -> None:
    results = run_batch(any_world.database.write, [put("a"), refuse, put("b")])
    assert results[0] == "a"
    assert isinstance(results[1], WireError)
    assert results[2] == "b"
    assert names(any_world) == ["a", "b"]


def test_a_fault_concerns_its_job_only(any_world: World) -> None:
    results = run_batch(any_world.database.write, [put("a"), break_down, put("b")])
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], ZeroDivisionError)
    assert names(any_world) == ["a", "b"]


@pytest.mark.parametrize("value", ["nul \0", "long " * 200])
def test_a80_a_value_that_the_database_rejects_concerns_its_job_only(
    any_world: World, value: str
) -> None:
    results = run_batch(any_world.database.write, [put("a"), put("c", value), put("b")])
    assert (results[0], results[2]) == ("a", "b")
    assert names(any_world) == (["a", "b", "c"] if results[1] == "c" else ["a", "b"])


def test_a_lost_race_concerns_its_job_only(any_world: World) -> None:
    results = run_batch(any_world.database.write, [put("a"), put("a"), put("b")])
    assert (results[0], results[2]) == ("a", "b")
    assert isinstance(results[1], WireError)
    assert results[1].code is Code.UNAVAILABLE
    assert names(any_world) == ["a", "b"]


def test_a_lost_race_is_run_again(world: World) -> None:
    tries = []

    @contextmanager
    def losing() -> Iterator[Connection]:
        with world.database.write() as connection:
            yield connection
            tries.append(1)
            if len(tries) < 4:
                raise Collision

    assert run_batch(losing, [put("a")]) == ["a"]
    assert names(world) == ["a"]


def test_a89_when_the_disk_is_full_nothing_is_acknowledged(world: World) -> None:
    with world.database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        for number in range(200):
            put(f"n{number}", "x" * 500)(connection)

    results = run_batch(world.database.write, [put("a"), fill])
    assert [result.code for result in results] == [Code.UNAVAILABLE] * 2
    assert isinstance(results[0].__cause__, Unavailable)
    assert "full" in str(results[0].__cause__)
    assert "xxx" not in str(results[0].__cause__)

    def free(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")

    assert run_batch(world.database.write, [free, put("b")])[1] == "b"
    assert names(world) == ["b"]


def test_a_locked_database_is_unavailable_and_recovers(world: World) -> None:
    other = world.database.engine.raw_connection()
    other.cursor().execute("BEGIN IMMEDIATE")
    mine = world.database

    @contextmanager
    def impatient() -> Iterator[Connection]:
        with mine.engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA busy_timeout=1")
        with mine.write() as connection:
            yield connection

    result = run_batch(impatient, [put("a")])[0]
    assert isinstance(result, WireError)
    assert result.code is Code.UNAVAILABLE
    other.cursor().execute("ROLLBACK")
    other.close()
    assert run_batch(mine.write, [put("b")]) == ["b"]
    assert names(world) == ["b"]


def test_jobs_finish_in_order_after_their_commit(world: World) -> None:
    finished: list[tuple[str, bool]] = []
    batches: list[int] = []
    gate = threading.Event()

    def deliver(callbacks: Sequence[Callable[[], None]]) -> None:
        batches.append(len(callbacks))
        for callback in callbacks:
            callback()

    def finish(result: Any) -> None:
        with world.database.read() as connection:
            found = account_rows.read_setting(connection, str(result))
        finished.append((str(result), found == "x"))

    def hold(_connection: Connection) -> str:
        gate.wait(10)
        return "held"

    worker = writer(world.database, deliver=deliver)
    worker.submit(hold, lambda result: None)
    for number in range(10):
        worker.submit(put(f"n{number}"), finish)
    gate.set()
    worker.close()
    assert finished == [(f"n{number}", True) for number in range(10)]
    assert len(batches) <= 3  # group commit


def test_a_reader_does_not_wait_for_the_writer(world: World) -> None:
    reading = reader(world.database)
    with world.database.write() as connection:
        put("a")(connection)
        seen = reading.call(lambda c: account_rows.read_setting(c, "a"))
    assert seen is None
    assert reading.call(lambda c: account_rows.read_setting(c, "a")) == "x"
    reading.close()


def test_the_queue_is_bounded_and_closing_finishes_what_was_taken(world: World) -> None:
    gate, started = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        started.set()
        gate.wait(10)

    worker = Worker("test", world.database.write, batch=1)
    worker._jobs.maxsize = 2
    done: list[object] = []
    worker.submit(hold, done.append)
    assert started.wait(10)
    worker.submit(put("a"), done.append)
    worker.submit(put("b"), done.append)
    with pytest.raises(WireError, match="too much to do"):
        worker.submit(put("c"), done.append)
    assert worker.waiting() == 2
    gate.set()
    while worker.waiting():
        threading.Event().wait(0.001)
    worker.close()
    assert done == [None, "a", "b"]
    with pytest.raises(WireError, match="stopping"):
        worker.submit(put("d"), done.append)


def test_call_raises_what_the_job_raised(world: World) -> None:
    worker = writer(world.database)
    with pytest.raises(WireError, match="no"):
        worker.call(refuse)
    with pytest.raises(ZeroDivisionError):
        worker.call(break_down)
    assert worker.call(put("a")) == "a"
    worker.close()


def test_a_fault_in_telling_one_leaves_the_others_told(world: World) -> None:
    told: list[object] = []
    worker = writer(world.database)

    def fault(_result: object) -> None:
        raise ZeroDivisionError

    for finish in (fault, told.append, fault, told.append):
        worker.submit(lambda _connection: "done", finish)
    worker.close()
    assert told == ["done", "done"]
