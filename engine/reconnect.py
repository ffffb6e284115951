"""When to dial again: the states of a line to the relay, as a table, and the waits between tries.

Never dials itself, sleeps or reads a clock: engine/line.py does what this decides.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from wire.errors import Code
from wire.pushes import EndReason


class State(Enum):
    """Where a line stands."""

    IDLE = auto()  # nobody wants a connection
    DIALLING = auto()
    READY = auto()  # logged in
    WAITING = auto()  # until the next try, by itself
    HELD = auto()  # until somebody asks: trying again by itself would be wrong


class Happening(Enum):
    """What may change that."""

    ASKED = auto()  # by the person, or at the start
    DUE = auto()  # the wait is over
    ENTERED = auto()
    FAILED = auto()  # nothing there, or later: worth another try
    REFUSED = auto()  # the answer will not change by itself
    STOPPED = auto()


NEXT: Final[dict[tuple[State, Happening], State]] = {
    (State.IDLE, Happening.ASKED): State.DIALLING,
    (State.DIALLING, Happening.ASKED): State.DIALLING,
    (State.DIALLING, Happening.ENTERED): State.READY,
    (State.DIALLING, Happening.FAILED): State.WAITING,
    (State.DIALLING, Happening.REFUSED): State.HELD,
    (State.READY, Happening.ASKED): State.READY,
    (State.READY, Happening.FAILED): State.WAITING,
    (State.READY, Happening.REFUSED): State.HELD,
    (State.WAITING, Happening.ASKED): State.DIALLING,
    (State.WAITING, Happening.DUE): State.DIALLING,
    (State.HELD, Happening.ASKED): State.DIALLING,
    # A session that registering or logging in made is taken over as it is.
    (State.IDLE, Happening.ENTERED): State.READY,
    **{(state, Happening.STOPPED): State.IDLE for state in State},
}


def step(state: State, happening: Happening) -> State:
    """Return the next state; a pair that the table does not have is a fault of ours."""
    return NEXT[state, happening]


# Whoever was kicked comes back only when asked; whoever is banned, logged out for good, or
# replaced by another run of the same device, likewise. The other reasons pass.
_HELD_REASONS: Final = frozenset(
    {EndReason.KICKED, EndReason.BANNED, EndReason.REVOKED, EndReason.REPLACED}
)
_HELD_CODES: Final = frozenset(
    {Code.BANNED, Code.BAD_CREDENTIALS, Code.UNTRUSTED_RELAY, Code.REMOVED, Code.FORBIDDEN}
)


def after_end(reason: EndReason | None) -> Happening:
    """Return what the end of a session means; None: it broke off without a word."""
    return Happening.REFUSED if reason in _HELD_REASONS else Happening.FAILED


def after_refusal(code: Code) -> Happening:
    """Return what a failed try means."""
    return Happening.REFUSED if code in _HELD_CODES else Happening.FAILED


FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
STEADY_AFTER_S: Final = 10.0  # a session shorter than this does not count as success


def wait_s(tries: int, *, random: Callable[[], float]) -> float:
    """Return how long to wait after `tries` failures in a row (1: the first), in seconds.

    `random` gives a number from 0 to 1: the clients of a relay that restarts come back spread over
    the whole wait, not together.
    """
    ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries - 1, 16))
    return ceiling * (0.25 + 0.75 * random())
