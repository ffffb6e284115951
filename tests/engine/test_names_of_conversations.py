"""engine.titles and engine.numbers: names for people, ids for the log."""

from __future__ import annotations

import pytest

from engine import running_hash
from engine.numbers import number_of
from engine.titles import LOBBY, account_in, room_title, title_of
from wire.errors import Code, WireError


@pytest.mark.parametrize(
    ("typed", "title"),
    [("@Bob", "@bob"), ("#Garden", "#garden"), ("garden", "#garden"), (" #lobby ", LOBBY)],
)
def test_a_name_has_one_form(typed: str, title: str) -> None:
    assert title_of(typed) == title


@pytest.mark.parametrize("typed", ["", "@", "#", "@b b", "#\x1b[2J", "@" + "x" * 100])
def test_a_name_that_nobody_may_have_is_refused(typed: str) -> None:
    with pytest.raises(WireError) as refused:
        title_of(typed)
    assert refused.value.code is Code.BAD_NAME


def test_people_are_no_rooms() -> None:
    assert account_in("@bob") == "bob"
    assert account_in("#bob") is None
    with pytest.raises(WireError):
        room_title("@bob")


def test_a_scripts_own_id_is_the_same_each_time() -> None:
    assert number_of("00" * 16) == bytes(16)
    assert number_of("my-id") == number_of("my-id") != number_of("my-ie")
    assert len(number_of("zz" * 16)) == 16


def test_the_running_hash_covers_place_and_bytes() -> None:
    first = running_hash.start(b"c" * 16, commit_seq=1, transcript=b"t")
    others = {
        running_hash.start(b"d" * 16, commit_seq=1, transcript=b"t"),
        running_hash.start(b"c" * 16, commit_seq=2, transcript=b"t"),
        running_hash.start(b"c" * 16, commit_seq=1, transcript=b"u"),
    }
    assert len(others | {first}) == 4
    steps = {
        running_hash.step(first, seq=2, message=b"m"),
        running_hash.step(first, seq=3, message=b"m"),
        running_hash.step(first, seq=2, message=b"n"),
        running_hash.step(b"x" * 32, seq=2, message=b"m"),
    }
    assert len(steps) == 4
