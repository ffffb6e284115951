"""storage.client.search: words are found, and no query is a command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, update

from storage.client import schema
from storage.client.search import MAX_QUERY_WORDS, query_words, search
from tests.storage.client.stores import OTHER_ROOM, ROOM, add_message, new_store

TEXTS = ["Hello wörld", "C++ rules 100%", "日本語のメッセージ 🎉", "hello again, NEAR you"]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with (
        new_store(tmp_path_factory.mktemp("search")) as store,
        store.transaction() as connection,
    ):
        for seq, text in enumerate(TEXTS, 1):
            add_message(connection, text, seq=seq)
        add_message(connection, "hello elsewhere", seq=1, conversation=OTHER_ROOM)
        add_message(connection, "hello joined", seq=5, kind="membership")
        yield connection


def _found(connection: Connection, query: str, *, limit: int = 9) -> list[str]:
    return [row.text for row in search(connection, query, conversation=ROOM, limit=limit)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("hello", [0, 3]),
        ("HEL", [0, 3]),
        ("world", [0]),
        ("Wörl hel", [0]),
        ("C++", [1]),
        ("100%", [1]),
        ("%", [1]),
        ("メッセ", [2]),
        ("🎉", [2]),
        ("near", [3]),
        ("again, near", [3]),
        ("ello", [0, 3]),
        ("_", []),
        ("hello AND world", []),
        ("hello NOT again", []),
        ("text:hello", []),
        ("goodbye", []),
    ],
)
def test_what_is_found(connection: Connection, query: str, numbers: list[int]) -> None:
    assert _found(connection, query) == [TEXTS[n] for n in numbers]


@pytest.mark.parametrize(
    "query",
    [
        *(
            '"',
            '""',
            '" OR "',
            "hello OR",
            "x NEAR(",
            "NEAR(a b",
            "(",
            "*",
            "^",
            "-",
            ":",
            "{a}: b",
        ),
        *("'; DROP TABLE timeline; --", "a\x00b", "\x00", "\ud800", "\\", "((" * 5000, "a " * 5000),
        *("", " \t\n", "timeline_words MATCH", '"*"', "+", ",", "\u202e", "a" * 100_000),
    ],
)
def test_a_hostile_query_is_only_words(connection: Connection, query: str) -> None:
    assert set(_found(connection, query)) <= set(TEXTS)
    assert _found(connection, "world") == [TEXTS[0]]


@given(query=st.text(st.characters(codec=None), max_size=40))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_is_an_error(connection: Connection, query: str) -> None:
    assert set(_found(connection, query)) <= set(TEXTS)


def test_everywhere_or_in_one_conversation(connection: Connection) -> None:
    everywhere = search(connection, "hello", limit=9)
    assert [row.conversation for row in everywhere] == [ROOM, ROOM, OTHER_ROOM]


def test_the_newest_ones_are_kept_oldest_first(connection: Connection) -> None:
    assert _found(connection, "hello", limit=1) == [TEXTS[3]]
    assert _found(connection, "hello", limit=0) == []


def test_a_query_is_bounded() -> None:
    assert len(query_words("a " * 5000)) == MAX_QUERY_WORDS


def test_changed_and_deleted_text_is_not_found_any_more(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.transaction() as connection:
        row = add_message(connection, "marmalade", seq=1)
        this = schema.timeline.c.id == row
        connection.execute(update(schema.timeline).where(this).values(text="honey"))
        assert _found(connection, "marmalade") == []
        assert _found(connection, "honey") == ["honey"]
        connection.execute(delete(schema.timeline).where(this))
        assert _found(connection, "honey") == []
        check = "INSERT INTO timeline_words(timeline_words) VALUES ('integrity-check')"
        connection.exec_driver_sql(check)
