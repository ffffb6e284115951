"""An empty database on a server for each use, where the bench's relay is to keep its log.

Never touches a database that it did not make.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from storage.relay.database import parse_url

_numbers = itertools.count(1)


class NoServer(Exception):
    """No server takes us in at the URL."""


@contextmanager
def empty_database(url: str) -> Iterator[str]:
    """Make a database beside the one that `url` names; return its URL. Raises NoServer."""
    there = parse_url(url)
    name = f"sotto_bench_{os.getpid()}_{next(_numbers)}"
    server = create_engine(there, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError as error:
        raise NoServer(f"no {there.get_backend_name()} at {there.host}") from error
    try:
        yield there.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        server.dispose()
