"""When a line dials again: every pair of the table, and waits that grow and spread."""

import pytest

from engine.reconnect import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    NEXT,
    Happening,
    State,
    after_end,
    after_refusal,
    step,
    wait_s,
)
from wire.errors import Code
from wire.pushes import EndReason


@pytest.mark.parametrize(
    "reason", [EndReason.KICKED, EndReason.BANNED, EndReason.REVOKED, EndReason.REPLACED]
)
def test_whoever_was_put_out_comes_back_only_when_asked(reason: EndReason) -> None:
    held = step(State.READY, after_end(reason))
    assert held is State.HELD
    assert (State.HELD, Happening.DUE) not in NEXT
    assert step(held, Happening.ASKED) is State.DIALLING


@pytest.mark.parametrize("reason", [None, EndReason.SHUTDOWN, EndReason.SLOW])
def test_what_passes_by_itself_is_tried_again(reason: EndReason | None) -> None:
    waiting = step(State.READY, after_end(reason))
    assert waiting is State.WAITING
    assert step(waiting, Happening.DUE) is State.DIALLING


@pytest.mark.parametrize(
    ("code", "after"),
    [
        (Code.NOT_CONNECTED, State.WAITING),
        (Code.TIMEOUT, State.WAITING),
        (Code.UNAVAILABLE, State.WAITING),
        (Code.RATE_LIMITED, State.WAITING),
        (Code.BANNED, State.HELD),
        (Code.BAD_CREDENTIALS, State.HELD),
        (Code.UNTRUSTED_RELAY, State.HELD),
        (Code.REMOVED, State.HELD),
    ],
)
def test_a_failed_try(code: Code, after: State) -> None:
    assert step(State.DIALLING, after_refusal(code)) is after


def test_stopping_is_possible_everywhere() -> None:
    assert all(step(state, Happening.STOPPED) is State.IDLE for state in State)


def test_what_the_table_does_not_have_is_a_fault() -> None:
    with pytest.raises(KeyError):
        step(State.READY, Happening.DUE)


def test_a48_waits_grow_to_a_limit_and_spread() -> None:
    longest = [wait_s(tries, random=lambda: 1.0) for tries in range(1, 200)]
    shortest = [wait_s(tries, random=lambda: 0.0) for tries in range(1, 200)]
    assert longest[0] == FIRST_WAIT_S
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_WAIT_S
    assert all(low * 4 == high for low, high in zip(shortest, longest, strict=True))
