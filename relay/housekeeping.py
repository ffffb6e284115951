"""The thread that keeps house: cursors, votes whose time is up, retention.

Never writes by itself: it hands the writer small jobs, so that messages go in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Connection

from relay.context import Context
from relay.history import write_cursors
from relay.logins import write_seen
from relay.outcome import Outcome
from relay.remembered import write_remembered
from relay.retention import Deleted, delete_expired, delete_old, remove_idle, unreachable_nodes
from relay.usage import write_usage
from relay.verdicts import settle
from relay.worker import Worker
from storage.relay import retention_rows
from storage.relay.database import Database
from storage.relay.vacuum import give_back_pages
from wire.errors import WireError

TURN_S: Final = 1.0
PER_SLICE: Final = 64  # cursors, or devices seen, in one transaction
CONVERSATIONS_PER_TURN: Final = 16
DELETING_SHARE: Final = 0.25  # of the time, at most, goes into deleting while others wait
SWEEP_AFTER_COMMITS: Final = 32  # deleted in one conversation: then its tree is walked
SLOW_TURNS: Final = 600  # between two looks for idle leaves and expired packages
Tell = Callable[[Outcome], None]


class Housekeeping:
    """Runs until close(). `tell` gets what others are to be told, where the writer delivers."""

    def __init__(
        self,
        database: Database,
        writer: Worker,
        context: Context,
        *,
        tell: Tell,
        failed: Callable[[Exception], None],
        turn_s: float = TURN_S,
    ) -> None:
        self._database = database
        self._writer = writer
        self._context = context
        self._tell = tell
        self._failed = failed
        self._turn_s = turn_s
        self._place = 0
        self._deleted: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sotto-housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End the thread, and write the cursors that are only remembered. Before the writer's."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        try:
            self._writer.call(lambda connection: write_remembered(connection, self._context))
        except WireError as error:
            self._failed(error)

    def turn(self, number: int) -> None:
        """Do what is due; `number` counts the turns. Raises Unavailable or WireError."""
        for _slice in range(0, len(self._context.acks), PER_SLICE):
            self._writer.call(lambda c: write_cursors(c, self._context, PER_SLICE))
        for _slice in range(0, len(self._context.seen), PER_SLICE):
            self._writer.call(lambda c: write_seen(c, self._context, PER_SLICE))
        self._submit(self._small)
        self._delete_old()
        self._sweep()
        self._writer.call(give_back_pages)
        if number % SLOW_TURNS == 0:
            self._submit(lambda connection: remove_idle(connection, self._context))
            self._submit(lambda connection: delete_expired(connection, self._context))

    def _loop(self) -> None:
        number = 0
        while not self._stop.wait(self._turn_s):
            try:
                self.turn(number)
            except Exception as error:  # noqa: BLE001  the thread's outermost loop
                self._failed(error)  # the next turn tries again
            number += 1

    def _submit(self, job: Callable[[Connection], Outcome]) -> None:
        def finish(result: Outcome | Exception) -> None:
            if isinstance(result, Exception):
                self._failed(result)
            elif result.events:
                self._tell(result)

        self._writer.submit(job, finish)

    def _small(self, connection: Connection) -> Outcome:
        write_usage(connection, self._context)
        return settle(connection, self._context)

    def _delete_old(self) -> None:
        """Look through some conversations, each slice in its turn with what else is written."""
        with self._database.read() as connection:
            rows = retention_rows.next_conversations(
                connection, self._place, CONVERSATIONS_PER_TURN
            )
        until_s = time.monotonic() + self._turn_s * DELETING_SHARE
        self._place = rows[-1] if len(rows) == CONVERSATIONS_PER_TURN else 0
        for row in rows:
            while True:
                done = self._writer.call(partial(self._delete_slice, row=row))
                if done.commits:
                    self._deleted[row] = self._deleted.get(row, 0) + done.commits
                if time.monotonic() > until_s:
                    self._place = row - 1 if done.is_more else row  # to go on with
                    return
                if not done.is_more:
                    break

    def _delete_slice(self, connection: Connection, row: int) -> Deleted:
        return delete_old(connection, self._context, row)

    def _sweep(self) -> None:
        """Walk one conversation's kept trees, and delete the nodes that are in none."""
        due = [row for row, count in self._deleted.items() if count >= SWEEP_AFTER_COMMITS]
        if not due:
            return
        row = due[0]
        with self._database.read() as connection:
            gone, seq = unreachable_nodes(connection, row)
        self._writer.call(lambda c: retention_rows.delete_nodes(c, row, gone, seq))
        del self._deleted[row]
