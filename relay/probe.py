"""Whether the database's threads still answer: what /healthz says.

Never waits: it asks now and then, and remembers the last answer.
"""

from __future__ import annotations

from relay.worker import Worker
from wire.errors import WireError


class Probe:
    """Whether a database thread answers: asked every few seconds, told at once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._is_out = False
        self.is_well = True

    def begin(self) -> None:
        """Ask; a thread that has not answered the last time is not well."""
        if self._is_out:
            self.is_well = False
            return
        try:
            self._worker.submit(lambda _database: None, self.finish)
            self._is_out = True
        except WireError:
            self.is_well = False

    def finish(self, result: Exception | None) -> None:
        """Take the answer."""
        self._is_out = False
        self.is_well = not isinstance(result, Exception)
