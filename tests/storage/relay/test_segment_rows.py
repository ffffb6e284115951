"""Segments are found by a number inside them, in order, on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.relay import conversation_rows, segment_rows
from storage.relay.database import Database
from storage.relay.errors import Collision
from storage.relay.segment_rows import Segment
from tests.relay.actors import World
from tests.relay.databases import DATABASES, empty_database

BOUNDS = [(1, 1), (2, 9), (10, 10), (15, 20)]  # 11 to 14 are gone


def segment(row: int, first: int, last: int) -> Segment:
    return Segment(row, first, last, first * 100, b"\x00\xffentries", b"%d" % first)


def two_rows(database: Database) -> tuple[int, int]:
    """Found two conversations; return their rows."""
    alice = World(database).account("Alice")
    rooms = [alice.room("one"), alice.room("other")]
    with database.read() as connection:
        found = [conversation_rows.find(connection, room) for room in rooms]
    one, other = (each.id for each in found if each is not None)
    return one, other


@pytest.mark.parametrize("kind", DATABASES)
def test_they_are_found_by_what_they_hold(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        one, other = two_rows(database)
        with database.write() as connection:
            made = [segment(one, *bounds) for bounds in BOUNDS]
            segment_rows.insert(connection, [*made, segment(other, 1, 30)])
            holding = [segment_rows.holding(connection, one, seq) for seq in (1, 5, 9, 12, 15, 21)]
            assert holding == [made[0], made[1], made[1], None, made[3], None]
            assert list(segment_rows.between(connection, one, after=4, last=16)) == made[1:]
            assert list(segment_rows.between(connection, one, after=10, last=14)) == []
            assert list(segment_rows.between(connection, one, after=12, last=99)) == made[3:]
            assert segment_rows.oldest(connection, one, 2) == [(1, 1, 100), (2, 9, 200)]
            assert segment_rows.origins_of(connection, one, [10, 2, 3]) == [b"2", b"10"]
            segment_rows.delete_those(connection, one, [1, 2])
            assert segment_rows.first_kept(connection, one) == 10
            assert segment_rows.first_kept(connection, other) == 1
            assert segment_rows.first_kept(connection, other + 1) is None


@pytest.mark.parametrize("kind", DATABASES)
def test_a_number_begins_one_segment_only(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        one, _other = two_rows(database)
        with database.write() as connection:
            segment_rows.insert(connection, [segment(one, 1, 3)])
        with pytest.raises(Collision), database.write() as connection:
            segment_rows.insert(connection, [segment(one, 4, 6), segment(one, 1, 1)])


def test_what_a_segment_holds_is_not_shown() -> None:
    assert "entries" not in repr(segment(1, 1, 1))
