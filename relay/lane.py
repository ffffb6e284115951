"""The lane of messages: all that came in until the writer has time go into one batch.

Never decides about a message: relay/messages.py does, and the bus tells what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from sqlalchemy import Connection as Database

from relay.connection import Connection
from relay.context import Who
from relay.messages import Parcel, append_messages
from relay.outcome import Batch
from relay.services import Services
from wire.errors import Code, WireError
from wire.replies import Conflict
from wire.requests import Append

CAPACITY: Final = 16_384  # messages that wait; beyond it senders are told to come back
MOST: Final = 4096  # of one batch, more or less: a transaction holds up what is behind it


@dataclass(slots=True)
class _Taken:
    """A connection, and what it sent since the writer came last."""

    connection: Connection
    who: Who
    requests: list[Append] = field(default_factory=list)


class Lane:
    """Takes messages on the event loop's thread; the writer's thread empties it.

    `refuse` answers one that is not stored; `alone` has one done by itself.
    """

    def __init__(
        self,
        services: Services,
        *,
        refuse: Callable[[Connection, Append, Exception], None],
        alone: Callable[[Connection, Append], None],
    ) -> None:
        self.services = services
        self._refuse = refuse
        self._alone = alone
        self._lock = Lock()  # of the three below
        self._waiting: dict[Connection, _Taken] = {}
        self._count = 0
        self._is_called = False

    def __len__(self) -> int:
        return self._count

    def take(self, connection: Connection, request: Append) -> None:
        """Have a message appended; raise WireError(unavailable) when too many wait."""
        with self._lock:
            if self._count >= CAPACITY:
                text = "The relay has too much to do. Nothing was stored: try again in a moment."
                raise WireError(Code.UNAVAILABLE, text)
            taken = self._waiting.get(connection)
            if taken is None:
                taken = self._waiting[connection] = _Taken(connection, connection.session.who)
            taken.requests.append(request)
            self._count += 1
            is_called, self._is_called = self._is_called, True
        connection.began(len(request.message))
        if not is_called:
            self._call()

    def _call(self) -> None:
        """Have the writer come."""
        trip = _Trip(self)
        try:
            self.services.writer.submit(trip.run, trip.finish)
        except WireError as error:
            self.told(self.empty(), error)

    def empty(self) -> list[_Taken]:
        """Take out what waits. What comes from now on calls the writer again."""
        with self._lock:
            taken: list[_Taken] = []
            count = 0
            while self._waiting and count < MOST:
                taken.append(self._waiting.pop(next(iter(self._waiting))))
                count += len(taken[-1].requests)
            self._count -= count
            self._is_called = False
        return taken

    def told(self, taken: Sequence[_Taken], result: Batch | Exception) -> None:
        """Answer what was taken."""
        with self._lock:
            is_called = self._is_called or not self._waiting
            self._is_called = self._is_called or bool(self._waiting)
        if not is_called:
            self._call()
        for each in taken:
            size = sum([len(request.message) for request in each.requests])
            each.connection.done(size, count=len(each.requests))
        if isinstance(result, Batch):
            self._tell(taken, result)
            return
        whole = [(each.connection, request) for each in taken for request in each.requests]
        is_everybodys = isinstance(result, WireError) or len(whole) == 1
        for connection, request in whole:
            if is_everybodys:
                self._refuse(connection, request, result)
            else:  # a fault with one of them is not to be the others'
                self._alone(connection, request)

    def _tell(self, taken: Sequence[_Taken], batch: Batch) -> None:
        services = self.services
        outlets = [each.connection.outlet for each in taken]
        for said in batch.said:
            services.metrics.entries += sum([len(run.entries) for run in said.runs])
            services.bus.tell_said(said, outlets)
        for place, request, answer in batch.answered:
            if isinstance(answer, WireError):
                self._refuse(taken[place].connection, request, answer)
            elif isinstance(answer, Conflict):
                outlets[place].reply(answer)
            else:
                outlets[place].accept([(request.rid, answer)])


class _Trip:
    """One way of the writer: what it takes the first time, it takes when it must try again."""

    __slots__ = ("_lane", "_taken")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._taken: list[_Taken] | None = None

    def run(self, database: Database) -> Batch:
        if self._taken is None:
            self._taken = self._lane.empty()
        parcels = [Parcel(each.who, each.requests) for each in self._taken]
        return append_messages(database, self._lane.services.context, parcels)

    def finish(self, result: Batch | Exception) -> None:
        self._lane.told(self._lane.empty() if self._taken is None else self._taken, result)
