"""The thread that moves SQLite's write-ahead log into the database file.

Never writes anything else, and holds the writer up only for the little that came in while the rest
was being moved.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from storage.relay.checkpoint import checkpoint, restart, wal_size_bytes
from storage.relay.database import Database
from storage.relay.errors import Unavailable

TURN_S: Final = 0.1
MOVE_AT_BYTES: Final = 4 << 20
RESTART_AT_BYTES: Final = 16 << 20  # from here on the log is to begin anew


class Checkpointing:
    """Runs until close(); does nothing where the database is no SQLite file."""

    def __init__(
        self,
        database: Database,
        *,
        failed: Callable[[Exception], None],
        turn_s: float = TURN_S,
    ) -> None:
        self._database = database
        self._failed = failed
        self._turn_s = turn_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sotto-checkpoint", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._database.path is not None:
            self._thread.start()

    def close(self, *, timeout_s: float = 10.0) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def turn(self) -> None:
        """Do what is due. Raises Unavailable."""
        size = wal_size_bytes(self._database)
        if size > MOVE_AT_BYTES:
            checkpoint(self._database)
        if size > RESTART_AT_BYTES:
            restart(self._database)

    def _loop(self) -> None:
        while not self._stop.wait(self._turn_s):
            try:
                self.turn()
            except Unavailable as error:
                self._failed(error)  # the next turn tries again
