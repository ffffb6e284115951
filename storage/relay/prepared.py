"""Statements that run for every message, compiled once and handed straight to the driver.

Never for anything rare: SQLAlchemy's own way costs four times as much and checks more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Boolean, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Compiled:
    sql: str
    order: tuple[str, ...] | None  # of positional parameters; None: by name
    booleans: tuple[int, ...]  # columns that SQLite and MySQL return as numbers


class Prepared(Generic[T]):
    """A statement with its row type; every parameter is a bindparam without a type's conversion.

    `names`: the columns that an INSERT sets.
    """

    def __init__(
        self, statement: Any, row_type: Callable[..., T] | None = None, *, names: Sequence[str] = ()
    ) -> None:
        self._statement: ClauseElement = statement
        self._row_type = row_type
        self._names = list(names) or None
        self._compiled: dict[str, _Compiled] = {}

    def one(self, connection: Connection, values: dict[str, Any]) -> T | None:
        """The only row, as the row type, or None."""
        assert self._row_type is not None
        compiled, cursor = self._execute(connection, values)
        try:
            row = cursor.fetchone()
        finally:
            cursor.close()
        if row is None:
            return None
        fields = list(row)
        for index in compiled.booleans:
            fields[index] = bool(fields[index])
        return self._row_type(*fields)

    def run(self, connection: Connection, values: dict[str, Any]) -> None:
        """Run it for what it changes."""
        self._execute(connection, values)[1].close()

    def _execute(self, connection: Connection, values: dict[str, Any]) -> tuple[_Compiled, Any]:
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compile(connection)
        parameters = values if compiled.order is None else [values[name] for name in compiled.order]
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.sql, parameters)
        except connection.dialect.loaded_dbapi.Error as error:
            cursor.close()
            raise DBAPIError.instance(
                None, None, error, connection.dialect.loaded_dbapi.Error, hide_parameters=True
            ) from error
        return compiled, cursor

    def _compile(self, connection: Connection) -> _Compiled:
        made: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
        order = tuple(made.positiontup) if made.positional else None
        columns = getattr(self._statement, "selected_columns", ())
        booleans = [n for n, column in enumerate(columns) if isinstance(column.type, Boolean)]
        compiled = _Compiled(str(made), order, tuple(booleans))
        self._compiled[connection.dialect.name] = compiled
        return compiled
