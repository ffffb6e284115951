"""What all rooms' tests may ask for.

Never a relay that two tests share: each has its own folder, port and processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.processes import People, people

# How long an example may take is no property of the code: a busy machine would fail the test.
settings.register_profile("sotto", deadline=None)
settings.load_profile("sotto")


@pytest.fixture
def everybody(tmp_path: Path) -> Iterator[People]:
    """A fresh relay with nobody on it; its people end with the test."""
    with people(tmp_path) as found:
        yield found


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this process's clients off the keyring of the person who runs the tests."""
    import keyring.backends.null

    monkeypatch.setattr(keyring.core, "_keyring_backend", keyring.backends.null.Keyring())
