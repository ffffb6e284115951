"""Small named values of an account: which relay, which root, what was counted today.

Never interprets a value: bytes in, bytes out.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from storage.client.schema import settings


def get_setting(connection: Connection, key: str) -> bytes | None:
    """Return the value under `key`, or None."""
    query = select(settings.c.value).where(settings.c.key == key)
    value: bytes | None = connection.execute(query).scalar_one_or_none()
    return value


def put_setting(connection: Connection, key: str, value: bytes) -> None:
    """Put `value` under `key`, in place of what was there."""
    statement = insert(settings).values(key=key, value=value)
    connection.execute(statement.on_conflict_do_update(set_={"value": value}))


def delete_setting(connection: Connection, key: str) -> None:
    """Take `key` away, if it is there."""
    connection.execute(delete(settings).where(settings.c.key == key))
