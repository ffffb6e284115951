"""Transaction ids: of one size, never the same, those of a time together."""

from __future__ import annotations

import os

from engine.numbers import fresh_number, number_of

NOW_MS = 1_800_000_000_000


def test_fresh_ones_are_ordered_by_time_and_never_the_same() -> None:
    made = [fresh_number(os.urandom, NOW_MS + n // 100) for n in range(1000)]
    assert {len(each) for each in made} == {16}
    assert len(set(made)) == 1000
    times = [each[:6] for each in made]
    assert times == sorted(times)
    assert int.from_bytes(made[0][:6]) == NOW_MS


def test_a_scripts_own_is_taken_as_it_is_or_hashed() -> None:
    assert number_of("00" * 15 + "ff") == bytes(15) + b"\xff"
    assert number_of("zz" * 16) == number_of("zz" * 16)
    assert len({number_of(text) for text in ("a", "b", "zz" * 16, "")}) == 4
