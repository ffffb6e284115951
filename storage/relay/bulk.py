"""INSERTs of many rows in few statements: on the path of every message.

Never for anything rare, and never more of a statement's text than a handful of sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table

from storage.relay.prepared import executed

# One statement lets go of Python's lock once, however many rows it has; texts are few and cached.
SIZES: Final = (1024, 256, 64, 16, 4, 1)


class Bulk:
    """The INSERT of some of a table's columns. `most`: rows of one statement, for large ones."""

    def __init__(self, table: Table, names: Sequence[str], *, most: int = SIZES[0]) -> None:
        self._table = table
        self._names = tuple(names)
        self._sizes = tuple(size for size in SIZES if size <= most)
        self._texts: dict[tuple[str, int], str] = {}

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, each with the columns' values in order. IntegrityError as for any INSERT."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            executed(connection, self._text(connection, 0), columns).close()
            return
        start = 0
        for size in self._sizes:
            while len(rows) - start >= size:
                values = [value for row in rows[start : start + size] for value in row]
                executed(connection, self._text(connection, size), values).close()
                start += size

    def _text(self, connection: Connection, size: int) -> str:
        dialect = connection.dialect
        text = self._texts.get((dialect.name, size))
        if text is None:
            into = f"INSERT INTO {self._table.name} ({', '.join(self._names)}) "
            if size == 0:  # PostgreSQL: one array a column, however many rows
                types = [self._table.c[name].type.compile(dialect) for name in self._names]
                arrays = ", ".join(f"%s::{each}[]" for each in types)
                text = f"{into}SELECT * FROM unnest({arrays})"  # noqa: S608  names of ours
            else:
                mark = "?" if dialect.paramstyle == "qmark" else "%s"
                row = f"({', '.join([mark] * len(self._names))})"
                text = f"{into}VALUES {', '.join([row] * size)}"
            self._texts[dialect.name, size] = text
        return text
