from __future__ import annotations

import pytest

from crypto.errors import UsageError
from crypto.room_password import room_psk

SALT = bytes(range(16))


def test_members_with_any_keyboard_come_to_one_key() -> None:
    composed, decomposed = "Caf\u00e9 99", "Cafe\u0301 99"
    assert room_psk(composed, SALT) == room_psk(decomposed, SALT)


def test_the_key_never_changes_between_versions() -> None:
    # A room outlives a release: its members' keys must stay equal.
    assert (
        room_psk("Correct-horse-9", SALT).hex()
        == "9c9b88a4302fb3b129258ded87ad4f0ae0a91ae85252f87dab92c120cc45aac2"
    )


def test_password_and_salt_count() -> None:
    key = room_psk("Correct-horse-9", SALT)
    assert len(key) == 32
    assert room_psk("correct-horse-9", SALT) != key
    assert room_psk("Correct-horse-9", bytes(16)) != key


def test_half_a_surrogate_pair_is_a_password_too() -> None:
    assert len(room_psk("\ud800", SALT)) == 32


@pytest.mark.parametrize("size", [0, 8, 15, 17])
def test_another_salt_size_is_the_callers_fault(size: int) -> None:
    with pytest.raises(UsageError):
        room_psk("Correct-horse-9", bytes(size))
