"""The lane of messages: all that came in until the writer has time go into one batch.

Never decides about a message: relay/messages.py does, and the bus tells what came of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, TypeAlias

from sqlalchemy import Connection as Database

from relay.connection import Connection
from relay.context import Who
from relay.messages import Asked, append_messages
from relay.outcome import Batch
from relay.services import Services
from wire.errors import Code, WireError
from wire.replies import Conflict
from wire.requests import Append

CAPACITY: Final = 16_384  # messages that wait; beyond it senders are told to come back
MOST: Final = 4096  # of one batch: a transaction holds up what is behind it
Waiting: TypeAlias = tuple[Connection, Who, Append]


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
        self._services = services
        self._refuse = refuse
        self._alone = alone
        self._waiting: deque[Waiting] = deque()
        self._is_called = False

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, connection: Connection, request: Append) -> None:
        """Have a message appended; raise WireError(unavailable) when too many wait."""
        if len(self._waiting) >= CAPACITY:
            text = "The relay has too much to do. Nothing was stored: try again in a moment."
            raise WireError(Code.UNAVAILABLE, text)
        self._waiting.append((connection, connection.session.who, request))
        connection.began(len(request.message))
        self._call()

    def _call(self) -> None:
        """Have the writer come, unless it is on its way."""
        if self._is_called:
            return
        self._is_called = True
        trip = _Trip(self)
        try:
            self._services.writer.submit(trip.run, trip.finish)
        except WireError as error:
            self._is_called = False
            self._told(self._empty(), error)

    def _empty(self) -> list[Waiting]:
        """Take out what waits. What comes from now on calls the writer again."""
        self._is_called = False
        count = min(len(self._waiting), MOST)
        return [self._waiting.popleft() for _ in range(count)]

    def _told(self, taken: Sequence[Waiting], result: Batch | Exception) -> None:
        if self._waiting:
            self._call()
        _done(taken)
        if isinstance(result, Batch):
            self._tell(taken, result)
        elif isinstance(result, WireError) or len(taken) == 1:
            for connection, _, request in taken:
                self._refuse(connection, request, result)
        else:  # a fault with one of them is not to be the others'
            for connection, _, request in taken:
                self._alone(connection, request)

    def _tell(self, taken: Sequence[Waiting], batch: Batch) -> None:
        asked = [(connection.outlet, request.rid) for connection, _, request in taken]
        for said in batch.said:
            self._services.metrics.entries += len(said.entries)
            self._services.bus.tell_said(said, asked)
        told = set(chain.from_iterable(said.askers for said in batch.said))
        for place, answer in enumerate(batch.answers):
            if place in told:
                continue
            connection, _, request = taken[place]
            if isinstance(answer, WireError):
                self._refuse(connection, request, answer)
            elif isinstance(answer, Conflict):
                connection.outlet.reply(answer)
            else:
                connection.outlet.accept([(request.rid, answer)])


class _Trip:
    """One way of the writer: what it takes the first time, it takes when it must try again."""

    __slots__ = ("_lane", "_taken")

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._taken: list[Waiting] | None = None

    def run(self, database: Database) -> Batch:
        if self._taken is None:
            self._taken = self._lane._empty()
        asked = [Asked(who, request) for _, who, request in self._taken]
        return append_messages(database, self._lane._services.context, asked)

    def finish(self, result: Batch | Exception) -> None:
        taken = self._lane._empty() if self._taken is None else self._taken
        self._lane._told(taken, result)


def _done(taken: Sequence[Waiting]) -> None:
    """Let each connection's requests be done with, all at once."""
    counts: dict[Connection, tuple[int, int]] = {}
    for connection, _, request in taken:
        count, size = counts.get(connection, (0, 0))
        counts[connection] = count + 1, size + len(request.message)
    for connection, (count, size) in counts.items():
        connection.done(size, count=count)
