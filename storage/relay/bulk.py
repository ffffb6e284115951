"""INSERTs of many rows in few statements: on the path of every message.

Never for anything rare, and never more of a statement's text than a handful of sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, Table

from storage.relay.prepared import executed, failing_as_ours

# One statement lets go of Python's lock once, however many rows it has; texts are few and cached.
SIZES: Final = (1024, 256, 64, 16, 4, 1)
_COPIED: Final = {BigInteger: "int8", Integer: "int4", LargeBinary: "bytea"}


class Bulk:
    """The INSERT of some of a table's columns. `most`: rows of one statement, for large ones."""

    def __init__(self, table: Table, names: Sequence[str], *, most: int = SIZES[0]) -> None:
        self._table = table
        self._names = tuple(names)
        self._sizes = tuple(size for size in SIZES if size <= most)
        self._texts: dict[tuple[str, int], str] = {}

    def insert(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, each with the columns' values in order. IntegrityError as for any INSERT."""
        if connection.dialect.name == "postgresql":
            self._copy(connection, rows)
            return
        start = 0
        for size in self._sizes:
            while len(rows) - start >= size:
                values = list(chain.from_iterable(rows[start : start + size]))
                executed(connection, self._text(connection, size), values).close()
                start += size

    def _copy(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """PostgreSQL's own way, in binary: a tenth of what it takes to write arrays as text."""
        if not rows:
            return
        text = f"COPY {self._table.name} ({', '.join(self._names)}) FROM STDIN (FORMAT BINARY)"
        cursor: Any = connection.connection.cursor()
        with failing_as_ours(connection, cursor), cursor.copy(text) as copy:
            copy.set_types([_COPIED[type(self._table.c[name].type)] for name in self._names])
            for row in rows:
                copy.write_row(row)
        cursor.close()

    def _text(self, connection: Connection, size: int) -> str:
        dialect = connection.dialect
        text = self._texts.get((dialect.name, size))
        if text is None:
            mark = "?" if dialect.paramstyle == "qmark" else "%s"
            row = f"({', '.join([mark] * len(self._names))})"
            into = f"INSERT INTO {self._table.name} ({', '.join(self._names)}) "
            text = self._texts[dialect.name, size] = f"{into}VALUES {', '.join([row] * size)}"
        return text
