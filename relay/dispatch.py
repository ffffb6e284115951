"""From a frame to its answer: state, right, rate, then the operation in the database's thread.

Never waits and never touches the database itself. An answer leaves after the commit, in the order
in which the database took the requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from picows import WSCloseCode
from sqlalchemy import Connection as Database

from relay import logs
from relay.arrival import Arrival
from relay.bus import Session
from relay.commit_line import CommitLine
from relay.connection import Connection
from relay.context import Who
from relay.entrance import Entrance
from relay.flow import size_of
from relay.handshake import State, answer_hello, step
from relay.lane import Lane
from relay.outcome import Outcome
from relay.routes import ROUTES, Thread, check_message
from relay.services import Services
from relay.throttle import Bucket
from wire import requests
from wire.codec import decode_request
from wire.errors import Code, WireError
from wire.limits import LOGIN_TIMEOUT_S, MAX_FRAME_BYTES_STRANGER, NONCE_BYTES
from wire.replies import Accepted, Conflict, Failed, LoggedIn, NameList, Ok, Reply
from wire.requests import Append, Request

_FAULT: Final = WireError(
    Code.UNAVAILABLE, "The relay could not do that (its log says more). Try again later."
)
_log = logs.logger("dispatch")


class Dispatcher:
    """Takes every connection's messages; see relay.connection.Receiver."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._entrance = Entrance(services, self.logged_in, self.fail)
        self._commits = CommitLine(services, self._submit)
        self._lane = Lane(services, refuse=self._refused, alone=self._alone)

    def receive(self, connection: Connection, payload: memoryview) -> None:
        """Take one message."""
        metrics = self._services.metrics
        metrics.frames_in += 1
        try:
            if connection.state is not State.READY and len(payload) > MAX_FRAME_BYTES_STRANGER:
                raise WireError(Code.TOO_LARGE, "That is too large before logging in.")
            request = decode_request(payload)
        except WireError as error:
            metrics.frames_malformed += 1
            self.fail(connection, None, error)
            return
        try:
            if type(request) is Append and request.commit is None and _may_speak(connection):
                check_message(request)  # nearly every frame comes along here
                self._lane.take(connection, request)
            else:
                self._take(connection, request)
        except WireError as error:
            self.fail(connection, getattr(request, "rid", None), error)
        except Exception as error:  # noqa: BLE001  a connection's outermost loop
            self._fault(connection, request, error)

    def disconnected(self, connection: Connection) -> None:
        """The connection is gone."""
        services = self._services
        connection.state = State.CLOSED
        session = connection.session
        if session is not None:
            services.bus.leave(session)
            # Also when the session ended before: kicked and banned, it is not there any more.
            if not services.bus.is_connected(session.who.device):
                self._commits.leave(session.who.device)
            services.context.seen.note(session.who.device_row, services.context.now_ms())
        services.connections.discard(connection)
        services.flow.sessions = len(services.bus)
        if not services.connections:
            services.is_empty.set()
        logs.event(_log, logging.INFO, "disconnected", connection=connection.number)

    def gone(self, arrival: Arrival) -> None:
        """The transport is gone, upgraded or not."""
        self._services.strangers.remove(arrival.key, arrival)

    def fail(self, connection: Connection, rid: int | None, error: WireError) -> None:
        """Answer with a refusal; one that cannot be answered ends the connection."""
        metrics = self._services.metrics
        metrics.requests_failed += 1
        if error.code is Code.RATE_LIMITED:
            metrics.rate_limited += 1
        facts = {"connection": connection.number, "code": error.code.value}
        logs.event(_log, logging.DEBUG, "refused", **facts)
        if rid is None:
            connection.refuse(WSCloseCode.POLICY_VIOLATION)
        else:
            connection.outlet.reply(Failed(rid, error.code.value, error.text, error.data))

    def logged_in(
        self, connection: Connection, who: Who, reply: LoggedIn, outcome: Outcome | None
    ) -> None:
        """Make a session of a connection, and answer; `outcome`: what others are to be told."""
        services = self._services
        arrival = connection.arrival
        services.strangers.remove(arrival.key, arrival)
        arrival.is_known, arrival.deadline_s = True, float("inf")
        connection.state = State.READY
        connection.bucket = Bucket(services.gate.requests, services.now_s())
        connection.session = Session(who, reply.display, connection.outlet)
        services.bus.join(connection.session)
        services.flow.sessions = len(services.bus)
        connection.outlet.reply(reply)
        if outcome is not None:
            services.bus.tell(outcome, None)
        logs.event(_log, logging.INFO, "logged in", connection=connection.number)

    def _take(self, connection: Connection, request: Request) -> None:
        state = step(connection.state, request)
        if isinstance(request, requests.Hello):
            self._greet(connection, request, state)
        elif connection.state is State.READY:
            connection.state = state
            self._serve(connection, request)
        else:
            connection.state = state
            self._entrance.begin(connection, request)

    def _greet(self, connection: Connection, hello: requests.Hello, state: State) -> None:
        services, arrival = self._services, connection.arrival
        reply, connection.proof = answer_hello(
            hello,
            key=services.context.signing_key,
            nonce=services.context.random(NONCE_BYTES),
            tls_spki_hash=connection.tls_spki_hash,
            greeting=services.greeting,
        )
        connection.state = state
        services.strangers.greet(arrival.key, arrival)
        arrival.deadline_s = services.now_s() + LOGIN_TIMEOUT_S
        connection.outlet.reply(reply)

    def _serve(self, connection: Connection, request: Any) -> None:
        services = self._services
        now_s = services.now_s()
        assert connection.bucket is not None  # since it is READY
        if type(request) is requests.Logout:
            connection.outlet.reply(Ok(request.rid))
            connection.outlet.close()
            return
        route = ROUTES[type(request)]
        services.gate.request(connection.bucket, route.cost, now_s)
        if route.gate is not None:
            route.gate(services.gate, connection.session.who, request, now_s)
        reply = self._answer_from_memory(connection, request)
        if reply is not None:
            connection.outlet.reply(reply)
        elif type(request) is not Append:
            self._submit(connection, request, None)
        elif request.commit is None:
            self._lane.take(connection, request)
        else:
            self._commits.join(connection, request)

    def _answer_from_memory(self, connection: Connection, request: Any) -> Reply | None:
        services = self._services
        if type(request) is requests.Ack and not request.verdicts:
            who = connection.session.who
            is_due = services.context.acks.note(who.device_row, request.conversation, request.seq)
            return None if is_due else Ok(request.rid)
        if type(request) is requests.Who and request.conversation is None:
            names = services.online.names_after(request.after, request.limit)
            return NameList(request.rid, names)
        return None

    def _submit(
        self, connection: Connection, request: Any, then: Callable[[Any], None] | None
    ) -> None:
        """Have the operation done; `then` is told its outcome or exception first."""
        services = self._services
        route = ROUTES[type(request)]
        operation, context, who = route.operation, services.context, connection.session.who
        size = size_of(request)

        def run(database: Database) -> Outcome:
            return operation(database, context, who, request)

        def finish(result: Outcome | Exception) -> None:
            connection.done(size)
            if then is not None:
                then(result)
            self._answer(connection, request, result)

        worker = services.writer if route.thread is Thread.WRITER else services.reader
        worker.submit(run, finish)
        connection.began(size)

    def _answer(self, connection: Connection, request: Any, result: Outcome | Exception) -> None:
        services = self._services
        try:
            if isinstance(result, Exception):
                raise result
            if type(result.reply) is Accepted:
                services.metrics.entries += 1
            elif type(result.reply) is Conflict:
                services.metrics.conflicts += 1
            services.bus.tell(result, connection.outlet)
        except Exception as error:  # noqa: BLE001  a connection's outermost loop
            self._refused(connection, request, error)

    def _refused(self, connection: Connection, request: Any, error: Exception) -> None:
        if not isinstance(error, WireError):
            self._fault(connection, request, error)
            return
        if error.__cause__ is not None:
            logs.failure(_log, "database", error.__cause__, connection=connection.number)
        self.fail(connection, request.rid, error)

    def _alone(self, connection: Connection, request: Append) -> None:
        try:
            self._submit(connection, request, None)
        except WireError as error:
            self.fail(connection, request.rid, error)

    def _fault(self, connection: Connection, request: Any, error: Exception) -> None:
        self._services.metrics.internal_errors += 1
        kind = type(request).__name__
        logs.failure(_log, "fault", error, connection=connection.number, request=kind)
        self.fail(connection, getattr(request, "rid", None), _FAULT)


def _may_speak(connection: Connection) -> bool:
    """Whether the connection has logged in and has a request left, taken then."""
    bucket = connection.bucket
    return connection.state is State.READY and bucket is not None and bucket.has_one()
