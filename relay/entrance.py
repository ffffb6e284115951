"""Logging in: the steps of each way, in the threads where they belong, cheap checks first.

Never lets a session begin behind the back of a ban: the last step's answer makes the session in
the very callback that the database's thread delivered, in the order of its transactions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import Connection as Database

from relay import accounts, logins, logs, passwords
from relay.connection import Connection
from relay.context import Proof, Who
from relay.handshake import State, step
from relay.outcome import Outcome
from relay.services import Services
from relay.throttle import Bucket, Rate
from relay.worker import Worker
from wire.errors import Code, WireError
from wire.replies import AccountFound, Failed, LoggedIn
from wire.requests import Enroll, Login, Register, Resume

TRIES: Final = Rate(burst=10, per_s=0.2)  # of one connection
MAX_TYPED_KEY_CHARS: Final = 64
Answer: TypeAlias = tuple[Who | None, LoggedIn | AccountFound, Outcome | None]
Last: TypeAlias = Callable[[Database], Answer]
R = TypeVar("R")
_FAULT: Final = WireError(Code.UNAVAILABLE, "The relay could not log you in. Try again later.")
_log = logs.logger("entrance")


class Entrance:
    """The ways in. `logged_in(connection, who, reply, outcome)` is told of each that succeeds."""

    def __init__(
        self,
        services: Services,
        logged_in: Callable[[Connection, Who, LoggedIn, Outcome | None], None],
        fail: Callable[[Connection, int, WireError], None],
    ) -> None:
        self._services = services
        self._logged_in = logged_in
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._ways: dict[type, Callable[[Connection, Any], Any]] = {
            Register: self._register,
            Login: self._log_in,
            Enroll: self._enroll,
            Resume: self._resume,
        }

    def begin(self, connection: Connection, request: Any) -> None:
        """Go through a log-in; the answer is sent when it is known."""
        task = self._services.loop.create_task(self._go(connection, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _go(self, connection: Connection, request: Any) -> None:
        try:
            self._check_tries(connection)
            last = await self._ways[type(request)](connection, request)
            self._services.writer.submit(last, lambda r: self._finish(connection, request.rid, r))
        except Exception as error:  # noqa: BLE001  a connection's outermost loop
            self._finish(connection, request.rid, error)

    def _check_tries(self, connection: Connection) -> None:
        now_s = self._services.now_s()
        if connection.bucket is None:
            connection.bucket = Bucket(TRIES, now_s)
        wait_s = connection.bucket.take(TRIES, now_s)
        if wait_s:
            text = "Too many tries on this connection. Nothing was done: wait a little."
            raise WireError(Code.RATE_LIMITED, text, retry_after_ms=int(wait_s * 1000) + 1)

    def _finish(self, connection: Connection, rid: int, result: Answer | Exception) -> None:
        if connection.state is State.CLOSED or connection.outlet.is_closed:
            # Whoever went away in between has done it all the same: others are to be told.
            if not isinstance(result, Exception) and result[2] is not None:
                self._services.bus.tell(result[2], None)
            return
        if isinstance(result, Exception):
            self._refuse(connection, rid, result)
            return
        who, reply, outcome = result
        connection.state = step(connection.state, reply)
        if who is not None and isinstance(reply, LoggedIn):
            self._services.metrics.logins += 1
            self._logged_in(connection, who, reply, outcome)
        else:
            connection.outlet.reply(reply)

    def _refuse(self, connection: Connection, rid: int, error: Exception) -> None:
        if not isinstance(error, WireError):
            self._services.metrics.internal_errors += 1
            logs.failure(_log, "fault", error, connection=connection.number)
            error = _FAULT
        self._services.metrics.logins_failed += 1
        logs.event(_log, logging.INFO, "log-in refused", **_facts(connection, error))
        failed = Failed(rid, error.code.value, error.text, error.data)
        connection.state = step(connection.state, failed)
        self._fail(connection, rid, error)

    async def _register(self, connection: Connection, request: Register) -> Last:
        services, proof = self._services, _proof(connection)
        context = services.context
        if services.watch.is_disk_low:
            text = "The relay's disk is nearly full: it takes no new accounts. Ask its operator."
            raise WireError(Code.UNAVAILABLE, text)
        services.gate.registration(connection.arrival.key, services.now_s())
        wanted = await services.hashing.run(lambda: accounts.check_registration(request, proof))
        await self._run(services.reader, lambda db: accounts.check_available(db, wanted))
        password_hash = await services.hashing.run(
            lambda: passwords.hash_password(context, request.password)
        )

        def last(database: Database) -> Answer:
            return *accounts.register(database, context, wanted, password_hash), None

        return last

    async def _log_in(self, connection: Connection, request: Login) -> Last:
        services, proof = self._services, _proof(connection)
        context = services.context
        services.gate.log_in(connection.arrival.key, services.now_s())
        candidate = await self._run(
            services.reader, lambda db: logins.find_account(db, request.name)
        )
        # A name that does not exist is counted, and costs, as one that does.
        key = request.name[:MAX_TYPED_KEY_CHARS].casefold()
        whom = key if candidate is None else candidate.account_id
        services.gate.guess(whom, services.now_s())
        stored = None if candidate is None else candidate.password_hash
        is_right = await services.hashing.run(
            lambda: passwords.verify_password(context, request.password, stored)
        )
        if candidate is None or not is_right:
            raise logins.bad_credentials()
        services.gate.guessed_right(whom, services.now_s())
        connection.found = candidate.account_id
        found = candidate

        def last(database: Database) -> Answer:
            return *logins.log_in(database, context, found, request, proof), None

        return last

    async def _enroll(self, connection: Connection, request: Enroll) -> Last:
        context, proof, account_id = self._services.context, _proof(connection), connection.found

        def last(database: Database) -> Answer:
            who, outcome = logins.enroll(database, context, account_id, request, proof)
            assert isinstance(outcome.reply, LoggedIn)
            return who, outcome.reply, Outcome(None, outcome.events)

        return last

    async def _resume(self, connection: Connection, request: Resume) -> Last:
        context, proof = self._services.context, _proof(connection)

        def last(database: Database) -> Answer:
            return *logins.resume(database, context, request, proof), None

        return last

    async def _run(self, worker: Worker, job: Callable[[Database], R]) -> R:
        future: asyncio.Future[R] = self._services.loop.create_future()

        def finish(result: R | Exception) -> None:
            if future.done():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        worker.submit(job, finish)
        return await future


def _proof(connection: Connection) -> Proof:
    assert connection.proof is not None  # the table: no log-in before the hello
    return connection.proof


def _facts(connection: Connection, error: WireError) -> dict[str, logs.Fact]:
    return {"connection": connection.number, "code": error.code.value}
