"""storage.client.timeline: pages in the log's order, single rows, unread counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update
from sqlalchemy.exc import IntegrityError

from storage.client import schema
from storage.client.messaging import Line, add_line
from storage.client.timeline import (
    arrivals,
    find_message,
    find_row,
    first_from,
    following,
    history,
    newest_of,
    unread_counts,
)
from tests.storage.client.stores import OTHER_ROOM, ROOM, add_message, add_room, new_store


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with new_store(tmp_path) as store, store.transaction() as connection:
        yield connection


def _texts(connection: Connection, **where: int | None) -> list[str]:
    limit = where.pop("limit", 100)
    assert limit is not None
    return [row.text for row in history(connection, ROOM, limit=limit, **where)]


def test_the_newest_page_and_the_pages_before_it(connection: Connection) -> None:
    for n in range(1, 8):
        add_message(connection, f"m{n}", seq=n)
        add_message(connection, f"other {n}", seq=n, conversation=OTHER_ROOM)
    page = history(connection, ROOM, limit=3)
    assert [row.text for row in page] == ["m5", "m6", "m7"]
    page = history(connection, ROOM, limit=3, before=page[0].id)
    assert [row.text for row in page] == ["m2", "m3", "m4"]
    assert _texts(connection, before=page[0].id) == ["m1"]
    assert _texts(connection, before_seq=3) == ["m1", "m2"]
    assert _texts(connection, before=10_000) == []
    assert _texts(connection, limit=0) == []
    assert _texts(connection, limit=-1) == []


def test_the_order_is_the_logs_and_not_that_of_writing(connection: Connection) -> None:
    queued = add_message(connection, "mine", seq=None)
    add_message(connection, "theirs", seq=1)
    assert _texts(connection) == ["theirs", "mine"]
    connection.execute(update(schema.timeline).where(schema.timeline.c.id == queued).values(seq=2))
    add_message(connection, "later", seq=3)
    add_message(connection, "a notice at the same entry", seq=3)
    assert _texts(connection) == ["theirs", "mine", "later", "a notice at the same entry"]
    assert _texts(connection, before=queued) == ["theirs"]


def test_two_queued_messages_keep_their_order(connection: Connection) -> None:
    first = add_message(connection, "one", seq=None)
    second = add_message(connection, "two", seq=None)
    assert _texts(connection) == ["one", "two"]
    assert _texts(connection, before=second) == ["one"]
    assert _texts(connection, before=first) == []


def test_a_message_is_found_by_its_id_and_by_its_row(connection: Connection) -> None:
    values = {"message_id": b"m" * 16, "sender_device": b"d" * 16}
    row_id = add_message(connection, "hi", seq=1, **values)
    (row,) = find_message(connection, ROOM, b"m" * 16)
    assert (row.id, row.text, row.seq, row.extra) == (row_id, "hi", 1, b"")
    assert find_row(connection, row_id) == row
    assert find_row(connection, row_id + 1) is None
    assert find_message(connection, OTHER_ROOM, b"m" * 16) == []


def test_a_device_uses_a_message_id_once(connection: Connection) -> None:
    values = {"message_id": b"m" * 16, "sender_device": b"d" * 16}
    add_message(connection, "hi", seq=1, **values)
    add_message(connection, "hi", seq=2, message_id=b"m" * 16, sender_device=b"e" * 16)
    with pytest.raises(IntegrityError):
        add_message(connection, "again", seq=3, **values)


def test_unread_are_the_messages_of_others_after_what_was_read(connection: Connection) -> None:
    add_room(connection, ROOM, read_seq=2)
    add_room(connection, OTHER_ROOM)
    for seq in (1, 2, 3, 4):
        add_message(connection, "theirs", seq=seq)
    add_message(connection, "mine", seq=5, sender="ann")
    add_message(connection, "queued", seq=None, sender="ann")
    add_message(connection, "bob joined", seq=6, kind="membership")
    assert unread_counts(connection, "ann") == {ROOM: 2, OTHER_ROOM: 0}


def test_a_row_shows_no_text(connection: Connection) -> None:
    add_message(connection, "marmalade", seq=1)
    assert "marmalade" not in repr(history(connection, ROOM, limit=1))


def test_a_page_is_found_without_sorting(connection: Connection) -> None:
    query = (
        "EXPLAIN QUERY PLAN SELECT id FROM timeline WHERE conversation = x'00'"
        " ORDER BY position DESC, id DESC LIMIT 9"
    )
    (step,) = connection.exec_driver_sql(query).all()
    assert "timeline_order" in step[3]


def test_the_rows_after_a_row(connection: Connection) -> None:
    ids = [add_message(connection, f"m{n}", seq=n) for n in range(1, 6)]
    add_message(connection, "other", seq=4, conversation=OTHER_ROOM)
    queued = add_message(connection, "queued", seq=None)
    page = following(connection, ROOM, limit=2, after=ids[1])
    assert [row.text for row in page] == ["m3", "m4"]
    page = following(connection, ROOM, limit=10, after=ids[3])
    assert [row.text for row in page] == ["m5", "queued"]
    assert following(connection, ROOM, limit=10, after=queued) == []
    assert following(connection, ROOM, limit=10, after=10_000) == []


def test_the_first_row_from_an_entry_or_a_time(connection: Connection) -> None:
    for n in range(1, 6):
        add_message(connection, f"m{n}", seq=n * 10)

    def text(seq: int = 0, at_ms: int = 0) -> str | None:
        row = first_from(connection, ROOM, seq=seq, at_ms=at_ms)
        return None if row is None else row.text

    assert (text(), text(seq=20), text(seq=21), text(seq=51)) == ("m1", "m2", "m3", None)
    arrived = first_from(connection, ROOM, seq=30)
    assert arrived is not None
    assert text(at_ms=arrived.arrived_at_ms) in ("m1", "m3")
    assert text(at_ms=arrived.arrived_at_ms + 10**12) is None


def test_the_newest_rows_of_a_kind_and_how_each_came_in(connection: Connection) -> None:
    for seq, who, change in ((1, "bob", "invited"), (2, "carol", "joined"), (3, "bob", "left")):
        add_line(connection, ROOM, Line("membership", who, change, seq=seq))
    add_line(connection, ROOM, Line("membership", "bob", "joined", seq=4))
    add_line(connection, OTHER_ROOM, Line("membership", "dora", "joined", seq=5))
    add_line(connection, ROOM, Line("unreadable", "bob", "misplaced", seq=6))
    add_line(connection, ROOM, Line("gap", "bob", "2", seq=7))
    found = newest_of(connection, ROOM, kinds=("unreadable", "gap"), limit=5)
    assert [row.kind for row in found] == ["unreadable", "gap"]
    assert [row.kind for row in newest_of(connection, ROOM, kinds=("gap",), limit=5)] == ["gap"]
    came = arrivals(connection, ROOM)
    assert {name: (row.text, row.seq) for name, row in came.items()} == {
        "bob": ("joined", 4),
        "carol": ("joined", 2),
    }
