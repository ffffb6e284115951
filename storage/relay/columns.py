"""The column types that mean the same on SQLite, PostgreSQL and MariaDB/MySQL.

Never a table. Migrations use these too, so a type's meaning never changes: a new one is added.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

_MYSQL = ("mysql", "mariadb")

# A row number. SQLite numbers rows by itself only for a column that it calls INTEGER.
RowId: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


def key(size_bytes: int) -> TypeEngine[bytes]:
    """Short bytes that an index may hold: MySQL indexes no BLOB."""
    return LargeBinary(size_bytes).with_variant(mysql.VARBINARY(size_bytes), *_MYSQL)


def blob() -> TypeEngine[bytes]:
    """Bytes of any size that a frame may have: MySQL's plain BLOB ends at 64 KiB."""
    return LargeBinary().with_variant(mysql.MEDIUMBLOB(), *_MYSQL)


def text(size_chars: int) -> TypeEngine[str]:
    """Text compared and ordered by code points: no database's own idea of equal letters."""
    return (
        String(size_chars)
        .with_variant(String(size_chars, collation="C"), "postgresql")
        .with_variant(
            mysql.VARCHAR(size_chars, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL
        )
    )
