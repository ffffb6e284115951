"""Reading rows as frozen values: what every file of tables here shares.

Never a table of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Connection, CursorResult, Executable, Table

T = TypeVar("T")
CHUNK = 200  # values in one IN (...): every database takes that many


def columns_of(table: Table, row_type: type[Any]) -> list[Any]:
    """The table's columns in the order of a dataclass's fields, which have the same names."""
    return [table.c[name] for name in row_type.__dataclass_fields__]


def one(
    connection: Connection, statement: Executable, row_type: type[T], **values: Any
) -> T | None:
    """The only row, as `row_type`, or None."""
    row = connection.execute(statement, values).one_or_none()
    return None if row is None else row_type(*row)


def many(
    connection: Connection, statement: Executable, row_type: type[T], **values: Any
) -> list[T]:
    """Every row, as `row_type`."""
    return [row_type(*row) for row in connection.execute(statement, values)]


def inserted_id(result: CursorResult[Any]) -> int:
    """The row id that an INSERT was given."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def chunks(items: Iterable[T]) -> Iterable[list[T]]:
    """The items in lists of at most CHUNK."""
    found = list(items)
    for start in range(0, len(found), CHUNK):
        yield found[start : start + CHUNK]


def like_prefix(text: str) -> str:
    """A LIKE pattern (escape character "!") for what starts with `text`, wildcards disarmed."""
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return text + "%"
