"""Databases for the relay's tests: SQLite always, the two servers where they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.actors import World
from tests.relay.databases import DATABASES, empty_database


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A relay on SQLite."""
    with empty_database("sqlite", tmp_path) as database:
        yield World(database)


@pytest.fixture(params=DATABASES)
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A relay on each kind of database."""
    with empty_database(request.param, tmp_path) as database:
        yield World(database)
