"""What waits to be written to one connection, and the turn in which all of it leaves.

Never blocks and never grows without bound: a reader that does not keep up is let go of, and
catches up from its cursor. Everything queued in one turn of the loop leaves in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from relay.frames import pack
from relay.metrics import Metrics
from storage.killpoints import reached
from wire.limits import MAX_FRAME_BYTES
from wire.pushes import Ended, EndReason
from wire.replies import Accepted, Reply

MAX_QUEUED_BYTES: Final = 2 * MAX_FRAME_BYTES  # a frame of any size, and what comes beside it
_SLOW = pack(Ended(EndReason.SLOW, text="This connection fell behind: connect again."))


class Wire(Protocol):
    """The connection below."""

    def write(self, data: bytes) -> None:
        """Send, or keep until the peer takes it."""

    def unsent_bytes(self) -> int:
        """Return how much the peer has not taken."""

    def finish(self) -> None:
        """Close after what was written, for good after a while."""


class Outlet:
    """The queue to one connection."""

    __slots__ = ("_accepts", "_chunks", "_size", "_turn", "_wire", "is_closed", "is_congested")

    def __init__(self, turn: Turn, wire: Wire) -> None:
        self._turn = turn
        self._wire = wire
        self._chunks: list[bytes] = []
        self._accepts: list[tuple[int, int]] = []
        self._size = 0
        self.is_closed = False
        self.is_congested = False  # the transport said that the peer reads slowly

    def send(self, data: bytes) -> None:
        """Queue a packed frame."""
        if self._accepts:
            self._pack_accepts()
        chunks = self._chunks
        if not chunks:
            self._turn.add(self)
        chunks.append(data)

    def send_all(self, frames: Sequence[bytes]) -> None:
        """Queue packed frames; at least one."""
        if self._accepts:
            self._pack_accepts()
        if not self._chunks:
            self._turn.add(self)
        self._chunks += frames

    def reply(self, reply: Reply) -> None:
        """Queue an answer; Accepted ones that follow each other become one frame."""
        if type(reply) is Accepted:
            self.accept(reply.answers)
        else:
            self.send(pack(reply))

    def accept(self, answers: Sequence[tuple[int, int]]) -> None:
        """Queue (rid, seq) of appended entries."""
        if not self._chunks and not self._accepts:
            self._turn.add(self)
        self._accepts += answers

    def end(self, ended: Ended) -> None:
        """Queue the last frame; nothing is taken after it."""
        if not self.is_closed:
            self.send(pack(ended))
            self.close()

    def close(self) -> None:
        """Write what is queued, then close."""
        if self.is_closed:
            return
        self.flush()
        self.is_closed = True
        self._wire.finish()

    def flush(self) -> None:
        """Write what is queued, in one piece; let the connection go if it is too far behind."""
        answers = bool(self._accepts)
        if answers:
            self._pack_accepts()
        chunks, self._chunks = self._chunks, []
        if self.is_closed or not chunks:
            return
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        is_suspect = self.is_congested or len(data) > MAX_QUEUED_BYTES
        if is_suspect and self._wire.unsent_bytes() + len(data) > MAX_QUEUED_BYTES:
            self._let_go()
            return
        self._turn.count(len(data))
        self._wire.write(data)
        if answers:
            reached("relay_answered")

    def _let_go(self) -> None:
        self.is_closed = True
        self._turn.metrics.slow_clients += 1
        self._wire.write(_SLOW)
        self._wire.finish()

    def _pack_accepts(self) -> None:
        accepts, self._accepts = self._accepts, []
        self._chunks.append(pack(Accepted(tuple(accepts))))


class Turn:
    """The outlets that have something to write in this turn of the loop."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], metrics: Metrics) -> None:
        self._call_soon = call_soon
        self._outlets: list[Outlet] = []
        self.metrics = metrics

    def add(self, outlet: Outlet) -> None:
        """Have the outlet flushed before the loop waits again."""
        if not self._outlets:
            self._call_soon(self.flush)
        self._outlets.append(outlet)

    def flush(self) -> None:
        """Write everything."""
        outlets, self._outlets = self._outlets, []
        for outlet in outlets:
            outlet.flush()

    def count(self, size: int) -> None:
        """Count one write."""
        self.metrics.writes += 1
        self.metrics.bytes_out += size
