"""The threads that own the database: one that writes with group commit, one that reads.

Never a thread per client, and never an acknowledgement before the commit is on the disk.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Connection

from relay import logs, usage
from storage.relay.database import Database, Kept
from storage.relay.errors import Collision, Unavailable
from wire.errors import Code, WireError

R = TypeVar("R")
Finish: TypeAlias = Callable[[R | Exception], None]
Deliver: TypeAlias = Callable[[Sequence[Callable[[], None]]], None]
Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]

_log = logs.logger("worker")
CAPACITY = 8192  # jobs that wait; beyond it senders are told to come back
BATCH = 256  # jobs in one transaction: what is gained by more is less than what it delays
ATTEMPTS = 5  # of one transaction that keeps losing to another relay's


@dataclass(frozen=True, slots=True)
class _Job(Generic[R]):
    run: Callable[[Connection], R]
    finish: Finish[R]


def run_all(callbacks: Sequence[Callable[[], None]]) -> None:
    """Deliver on the worker's own thread: for tests and commands."""
    for callback in callbacks:
        callback()


class Worker:
    """A thread that runs jobs in transactions, many in one, in the order of submission.

    `deliver` is called on this thread after each commit with the batch's callbacks, in order; the
    relay hands them to its event loop with one wake-up. `ended` is called when the thread ends.
    """

    def __init__(
        self,
        name: str,
        transaction: Transaction,
        *,
        deliver: Deliver = run_all,
        batch: int = BATCH,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._transaction = transaction
        self._deliver = deliver
        self._batch = batch
        self._ended = ended
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(CAPACITY)
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, run: Callable[[Connection], R], finish: Finish[R]) -> None:
        """Queue a job; `finish` gets its result, or the WireError or other exception it raised.

        A job that raises must not have written. Raises WireError(unavailable) when too many wait.
        """
        if self._closed:
            raise WireError(Code.UNAVAILABLE, "The relay is stopping. Try again in a moment.")
        try:
            self._jobs.put_nowait(_Job(run, finish))
        except queue.Full:
            text = "The relay has too much to do. Nothing was stored: try again in a moment."
            raise WireError(Code.UNAVAILABLE, text) from None

    def call(self, run: Callable[[Connection], R], *, timeout_s: float = 30.0) -> R:
        """Run a job and wait for it, from any thread but the event loop's.

        Raises what the job raised, or WireError(unavailable) after `timeout_s`.
        """
        done: queue.SimpleQueue[R | Exception] = queue.SimpleQueue()
        self.submit(run, done.put)
        try:
            result = done.get(timeout=timeout_s)
        except queue.Empty:
            raise WireError(Code.UNAVAILABLE, "The relay's database is too slow now.") from None
        if isinstance(result, Exception):
            raise result
        return result

    def waiting(self) -> int:
        """How many jobs wait."""
        return self._jobs.qsize()

    def close(self, *, timeout_s: float = 30.0) -> None:
        """Finish what was submitted, then end the thread."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join(timeout_s)

    def _loop(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs, more = self._take(first)
            results = run_batch(self._transaction, [job.run for job in jobs])
            self._deliver(
                [_callback(job, result) for job, result in zip(jobs, results, strict=True)]
            )
            if not more:
                break
        self._ended()

    def _take(self, first: _Job[Any]) -> tuple[list[_Job[Any]], bool]:
        jobs = [first]
        while len(jobs) < self._batch:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, False
            jobs.append(job)
        return jobs, True


def _callback(job: _Job[Any], result: Any) -> Callable[[], None]:
    def finish() -> None:
        try:
            job.finish(result)
        except Exception as fault:  # noqa: BLE001  the others of the batch wait for their answers
            logs.failure(_log, "not told", fault)

    return finish


def run_batch(
    transaction: Transaction, jobs: Sequence[Callable[[Connection], Any]]
) -> list[Any | Exception]:
    """Run jobs in one transaction; return each one's result or exception.

    A refusal (WireError) concerns its job only. After a lost race or a fault of ours the jobs run
    again, each in a transaction of its own. When the database fails, all get WireError with code
    unavailable.
    """
    try:
        with transaction() as connection:
            usage.forget(connection)
            results = [_run(job, connection) for job in jobs]
            stored = usage.settle(connection)
        if stored is not None:
            stored.keep()
        return results
    except Unavailable as failure:
        return [_unavailable(failure)] * len(jobs)
    except Exception as failure:  # noqa: BLE001  the thread's outermost loop: it serves everybody
        if len(jobs) == 1 and not isinstance(failure, Collision):
            return [failure]
    return [_run_alone(transaction, job) for job in jobs]


def _run(job: Callable[[Connection], Any], connection: Connection) -> Any | WireError:
    try:
        return job(connection)
    except WireError as refusal:
        return refusal


def _run_alone(transaction: Transaction, job: Callable[[Connection], Any]) -> Any | Exception:
    failure: Exception = Collision()
    for _attempt in range(ATTEMPTS):
        try:
            with transaction() as connection:
                usage.forget(connection)
                result = _run(job, connection)
                stored = usage.settle(connection)
            if stored is not None:
                stored.keep()
            return result
        except Collision as lost:
            failure = lost
        except Unavailable as broken:
            return _unavailable(broken)
        except Exception as fault:  # noqa: BLE001  see run_batch
            return fault
    return _unavailable(failure)


def _unavailable(cause: Exception) -> WireError:
    error = WireError(
        Code.UNAVAILABLE,
        "The relay's database cannot store anything now. Nothing was stored: try again later.",
    )
    error.__cause__ = cause
    return error


def writer(
    database: Database,
    *,
    deliver: Deliver = run_all,
    committed: Callable[[float], None] = lambda _seconds: None,
) -> Worker:
    """The thread that owns the database's writes; `committed` is told how long each commit took."""
    kept = Kept(database, writes=True, committed=committed)
    return Worker("sotto-writer", kept.transaction, deliver=deliver, ended=kept.close)


def reader(database: Database, *, deliver: Deliver = run_all) -> Worker:
    """The thread that reads; small batches, so that it never holds back a checkpoint."""
    kept = Kept(database, writes=False)
    transaction = kept.transaction
    return Worker("sotto-reader", transaction, deliver=deliver, batch=32, ended=kept.close)
