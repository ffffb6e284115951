"""A relay for a module's scenes, and a settings file that is nobody's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Relay


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One relay for a module: each test has accounts of its own."""
    with Relay(tmp_path_factory.mktemp("relay")) as running:
        yield running


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTTO_SETTINGS", str(tmp_path / "client.toml"))
