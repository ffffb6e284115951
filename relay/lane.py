"""The lane of messages: all that came in until the writer has time go into one batch.

Never decides about a message: relay/messages.py does, and the bus tells what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
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
    """A connection, and what it sent since the writer went off last."""

    connection: Connection
    who: Who
    requests: list[Append] = field(default_factory=list)
    size_bytes: int = 0


class Lane:
    """For the event loop's thread only: the writer is handed a batch when it is done with one.

    `refuse` answers a message that is not stored; `alone` has one done by itself.
    """

    def __init__(
        self,
        services: Services,
        *,
        refuse: Callable[[Connection, Append, Exception], None],
        alone: Callable[[Connection, Append], None],
    ) -> None:
        self._services = services
        self._refuse = refuse
        self._alone = alone
        self._waiting: dict[Connection, _Taken] = {}
        self._count = 0
        self._is_called = False  # a batch is on its way, or will be at the end of this turn

    def __len__(self) -> int:
        return self._count

    def take(self, connection: Connection, request: Append) -> None:
        """Have a message appended; raise WireError(unavailable) when too many wait."""
        if self._count >= CAPACITY:
            text = "The relay has too much to do. Nothing was stored: try again in a moment."
            raise WireError(Code.UNAVAILABLE, text)
        taken = self._waiting.get(connection)
        if taken is None:
            taken = self._waiting[connection] = _Taken(connection, connection.session.who)
        size = len(request.message)
        taken.requests.append(request)
        taken.size_bytes += size
        self._count += 1
        connection.began(size)
        if not self._is_called:
            self._is_called = True
            self._services.loop.call_soon(self._call)  # with all that this turn brings

    def _call(self) -> None:
        """Hand the writer what waits."""
        taken = self._empty()
        parcels = [Parcel(each.who, each.requests) for each in taken]
        context = self._services.context

        def run(database: Database) -> Batch:
            return append_messages(database, context, parcels)

        try:
            self._services.writer.submit(run, partial(self._told, taken))
        except WireError as error:
            self._told(taken, error)

    def _empty(self) -> list[_Taken]:
        taken: list[_Taken] = []
        count = 0
        while self._waiting and count < MOST:
            taken.append(self._waiting.pop(next(iter(self._waiting))))
            count += len(taken[-1].requests)
        self._count -= count
        return taken

    def _told(self, taken: Sequence[_Taken], result: Batch | Exception) -> None:
        self._is_called = bool(self._waiting)
        if self._waiting:
            self._services.loop.call_soon(self._call)
        for each in taken:
            each.connection.done(each.size_bytes, count=len(each.requests))
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
        services = self._services
        outlets = [each.connection.outlet for each in taken]
        metrics, before = services.metrics, services.metrics.entries
        for said in batch.said:
            count = sum([len(run.entries) for run in said.runs])
            told = services.bus.tell_said(said, outlets)
            metrics.entries += count
            # Whoever sent some of them gets all but those.
            metrics.deliveries += count * (told + len({run.place for run in said.runs}) - 1)
        metrics.batch.observe(metrics.entries - before)
        for place, request, answer in batch.answered:
            if isinstance(answer, WireError):
                self._refuse(taken[place].connection, request, answer)
            elif isinstance(answer, Conflict):
                metrics.conflicts += 1
                outlets[place].reply(answer)
            else:
                outlets[place].accept([(request.rid, answer)])
