"""Statements that run for every message, compiled once and handed straight to the driver.

Never for anything rare: SQLAlchemy's own way costs four times as much and checks more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Boolean, Connection, any_, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql import ClauseElement

T = TypeVar("T")
MANY: Final = "many"  # the parameter that stands for a list, in a PreparedMany
_LENGTHS: Final = (1, 4, 16, 64, 256)  # of such a list: shorter ones are filled up


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
        compiled = self._compile(connection)
        cursor = executed(connection, compiled.sql, _ordered(compiled, values))
        try:
            row = cursor.fetchone()
        finally:
            cursor.close()
        return None if row is None else self._row_type(*_fields(compiled, row))

    def run(self, connection: Connection, values: dict[str, Any]) -> int:
        """Run it for what it changes; return how many rows it met."""
        compiled = self._compile(connection)
        cursor = executed(connection, compiled.sql, _ordered(compiled, values))
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def run_each(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
        """Run it once for each of some values; return how many rows it met in all."""
        compiled = self._compile(connection)
        ordered = [_ordered(compiled, values) for values in rows]
        cursor = executed(connection, compiled.sql, ordered, is_many=True)
        try:
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def _compile(self, connection: Connection) -> _Compiled:
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            made: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
            order = tuple(made.positiontup) if made.positional else None
            compiled = _Compiled(str(made), order, _booleans(self._statement))
            self._compiled[connection.dialect.name] = compiled
        return compiled


class PreparedMany(Generic[T]):
    """A SELECT of the rows in which `column` has one of many values."""

    def __init__(self, statement: Any, column: Any, row_type: Callable[..., T]) -> None:
        self._statement = statement
        self._column = column
        self._row_type = row_type
        self._compiled: dict[tuple[str, int], _Compiled] = {}

    def all(
        self, connection: Connection, wanted: Sequence[Any], values: Mapping[str, Any] | None = None
    ) -> list[T]:
        """Every row that matches one of `wanted`, in the statement's order within each statement.

        `values`: the statement's other parameters. Of more than 256 wanted ones several statements
        are made, in their order.
        """
        found: list[T] = []
        takes_list = connection.dialect.name == "postgresql"
        for start in range(0, len(wanted), _LENGTHS[-1]):
            some = wanted[start : start + _LENGTHS[-1]]
            named: dict[str, Any] = {MANY: list(some)}
            length = 0
            if not takes_list:
                length = next(length for length in _LENGTHS if length >= len(some))
                filled = [*some, *[some[-1]] * (length - len(some))]
                named = {f"{MANY}_{n}": value for n, value in enumerate(filled, 1)}
            compiled = self._compile(connection, length, values or {})
            cursor = executed(
                connection, compiled.sql, _ordered(compiled, {**named, **(values or {})})
            )
            try:
                rows = cursor.fetchall()
            finally:
                cursor.close()
            found += [self._row_type(*_fields(compiled, row)) for row in rows]
        return found

    def _compile(self, connection: Connection, length: int, values: Mapping[str, Any]) -> _Compiled:
        """Return the statement for so many values; 0: for a list, as PostgreSQL takes one."""
        compiled = self._compiled.get((connection.dialect.name, length))
        if compiled is None:
            column, booleans = self._column, _booleans(self._statement)
            if length == 0:
                many = bindparam(MANY, type_=postgresql.ARRAY(column.type))
                made = self._statement.where(column == any_(many)).compile(
                    dialect=connection.dialect
                )
                compiled = _Compiled(str(made), None, booleans)
            else:
                query = self._statement.where(column.in_(bindparam(MANY, expanding=True)))
                made = query.compile(dialect=connection.dialect)
                state = made.construct_expanded_state({**values, MANY: [b""] * length})
                order = None if state.positiontup is None else tuple(state.positiontup)
                compiled = _Compiled(state.statement, order, booleans)
            self._compiled[connection.dialect.name, length] = compiled
        return compiled


def executed(connection: Connection, sql: str, parameters: Any, *, is_many: bool = False) -> Any:
    """Return a cursor of the driver's that has run a statement; errors as SQLAlchemy's."""
    cursor = connection.connection.cursor()
    with failing_as_ours(connection, cursor):
        (cursor.executemany if is_many else cursor.execute)(sql, parameters)
    return cursor


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Undo what the block wrote when a constraint refuses it, and only that.

    After any other error the transaction is over, and on some servers the savepoint with it.
    """
    executed(connection, "SAVEPOINT sotto", ()).close()
    try:
        yield
    except IntegrityError:
        executed(connection, "ROLLBACK TO SAVEPOINT sotto", ()).close()
        raise
    executed(connection, "RELEASE SAVEPOINT sotto", ()).close()


@contextmanager
def failing_as_ours(connection: Connection, cursor: Any) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy's, and close the cursor then."""
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        cursor.close()
        raise DBAPIError.instance(
            None, None, error, connection.dialect.loaded_dbapi.Error, hide_parameters=True
        ) from error


def _booleans(statement: Any) -> tuple[int, ...]:
    columns = getattr(statement, "selected_columns", ())
    return tuple(n for n, column in enumerate(columns) if isinstance(column.type, Boolean))


def _ordered(compiled: _Compiled, values: Mapping[str, Any]) -> Any:
    return values if compiled.order is None else [values[name] for name in compiled.order]


def _fields(compiled: _Compiled, row: Sequence[Any]) -> Sequence[Any]:
    if not compiled.booleans:
        return row
    fields = list(row)
    for index in compiled.booleans:
        fields[index] = bool(fields[index])
    return fields
