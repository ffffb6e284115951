"""The simulated day has the messages that it states, and more people need more."""

from __future__ import annotations

import pytest

from bench.scale import Capacity, Day, report, simulate


def test_a_day_has_as_many_messages_as_people_send() -> None:
    day = Day(users=200_000)
    messages = sum(hour.messages_s for hour in simulate(day)) * 3600
    assert messages == pytest.approx(day.users * day.active_share * day.messages_each, rel=0.01)


def test_twice_the_people_fill_twice_the_database() -> None:
    shares = []
    for users in (1_000_000, 2_000_000):
        day = Day(users=users)
        text = report(day, Capacity(), simulate(day))
        (line,) = [line for line in text.splitlines() if line.startswith("share of what one")]
        shares.append(int(line.split("%")[0].split()[-1]))
    assert shares[1] == pytest.approx(2 * shares[0], rel=0.1)
