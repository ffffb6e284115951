"""The pace of commits in one conversation: one at a time, a pause after each, waiting in order.

Never stores or sends: it says which waiting commit is next, and when to ask again. The clock is a
parameter. Design, section 2, "Pace".
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from wire.limits import COMMIT_PACE_S, COMMIT_TURN_S

MAX_WAITING = 1024  # of one conversation; every device has one connection, so this is its size
T = TypeVar("T")


class Result(Enum):
    """What became of a commit."""

    ACCEPTED = auto()
    CONFLICT = auto()
    REFUSED = auto()


@dataclass(slots=True)
class _Line(Generic[T]):
    waiting: deque[tuple[bytes, T]] = field(default_factory=deque)
    at_work: bool = False
    free_at_s: float = 0.0
    turn: bytes | None = None  # the device for which the next place is kept ...
    turn_until_s: float = 0.0  # ... until then


class Pace(Generic[T]):
    """The lines of all conversations. `T` is whatever the caller wants back when it is its turn."""

    def __init__(self) -> None:
        self._lines: OrderedDict[bytes, _Line[T]] = OrderedDict()

    def join(self, conversation: bytes, device: bytes, item: T) -> bool:
        """Put a device's commit in the line; False when the line is full."""
        line = self._lines.setdefault(conversation, _Line())
        if len(line.waiting) >= MAX_WAITING:
            return False
        line.waiting.append((device, item))
        return True

    def leave(self, device: bytes) -> list[T]:
        """Drop what a device whose connection ended waits with; return it."""
        dropped = []
        for line in self._lines.values():
            dropped += [item for owner, item in line.waiting if owner == device]
            line.waiting = deque(w for w in line.waiting if w[0] != device)
            if line.turn == device:
                line.turn = None
        return dropped

    def finish(self, conversation: bytes, device: bytes, result: Result, now_s: float) -> None:
        """Tell what became of the commit that was at work."""
        line = self._lines.setdefault(conversation, _Line())
        line.at_work = False
        if result is Result.ACCEPTED:
            line.free_at_s = now_s + COMMIT_PACE_S
        if line.turn == device or now_s >= line.turn_until_s:
            line.turn = None
        if result is Result.CONFLICT and line.turn is None:
            line.turn, line.turn_until_s = device, now_s + COMMIT_TURN_S

    def next(self, conversation: bytes, now_s: float) -> T | None:
        """Return the commit whose turn it is now, which is at work from here on, or None."""
        line = self._lines.get(conversation)
        if line is None or line.at_work or now_s < line.free_at_s:
            return None
        found = _take(line, now_s)
        line.at_work = found is not None
        return found

    def due(self, now_s: float) -> Iterator[tuple[bytes, T]]:
        """Yield (conversation, commit) for each line whose turn has come; forget idle lines."""
        for conversation in list(self._lines):
            item = self.next(conversation, now_s)
            if item is not None:
                yield conversation, item
            elif _is_idle(self._lines[conversation], now_s):
                del self._lines[conversation]

    def wake_at_s(self) -> float | None:
        """Return when `due` may have something, or None when nothing waits for time alone."""
        times = [
            max(line.free_at_s, line.turn_until_s if _is_kept(line) else 0.0)
            for line in self._lines.values()
            if line.waiting and not line.at_work
        ]
        return min(times, default=None)

    def __len__(self) -> int:
        return len(self._lines)


def _take(line: _Line[T], now_s: float) -> T | None:
    if line.turn is not None and now_s >= line.turn_until_s:
        line.turn = None
    for index, (device, item) in enumerate(line.waiting):
        if line.turn in (None, device):
            del line.waiting[index]
            return item
    return None


def _is_kept(line: _Line[T]) -> bool:
    """Whether the next place is kept for a device that is not in the line."""
    return line.turn is not None and all(device != line.turn for device, _ in line.waiting)


def _is_idle(line: _Line[T], now_s: float) -> bool:
    return (
        not line.waiting
        and not line.at_work
        and now_s >= line.free_at_s
        and (line.turn is None or now_s >= line.turn_until_s)
    )
