"""What the writer remembers: right or not at all, and never much."""

from __future__ import annotations

import pytest

from relay import caches
from relay.caches import MemberCache


def devices(count: int, name: int = 0) -> tuple[bytes, ...]:
    return tuple((name * 1000 + number).to_bytes(16, "big") for number in range(count))


def test_a_version_is_loaded_once() -> None:
    cache, loaded = MemberCache(), []

    def load() -> tuple[bytes, ...]:
        loaded.append(1)
        return devices(3)

    for _ in range(3):
        assert cache.get(1, 7, load) == devices(3)
    assert cache.get(1, 8, lambda: devices(2)) == devices(2)
    assert cache.get(1, 7, load) == devices(3)
    assert len(loaded) == 2


def test_of_a_conversation_that_changes_often_one_version_is_kept() -> None:
    cache = MemberCache()
    for version in range(100):
        cache.get(1, version, lambda: devices(1000))
    assert len(cache) == 1000


def test_the_devices_of_all_conversations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MAX_DEVICES", 1000)
    cache = MemberCache()
    for row in range(50):
        assert cache.get(row, 1, lambda r=row: devices(100, r)) == devices(100, row)
    assert len(cache) == 1000
    assert cache.get(99, 1, lambda: devices(3000)) == devices(3000)
    assert len(cache) == 0
