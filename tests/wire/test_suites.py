"""The suites of conversations are suites of MLS, and alike where the relay counts on it."""

from __future__ import annotations

import pytest

from crypto.ed25519 import SigningKey
from crypto.mls import suite as mls
from crypto.mls.suite import suite_by_number
from wire.errors import WireError
from wire.limits import MAX_GROUP_LEAVES
from wire.suites import (
    CLASSICAL,
    DEFAULT_SUITE,
    HYBRID,
    MAX_LEAVES,
    SUITE_NAMES,
    SUITES,
    strength_rank,
    suite_named,
)


@pytest.mark.parametrize("number", SUITES)
def test_mls_has_them_with_the_same_hash_and_signatures(number: int) -> None:
    suite = suite_by_number(number)
    assert suite.number == number
    assert suite.hash_name == "sha256"
    key = SigningKey.from_seed(bytes(32))
    signature = mls.SUITE_1.sign_with_label(key, "label", b"content")
    suite.verify_with_label(key.public, "label", b"content", signature)


def test_the_hybrid_one_is_the_one_for_private_use() -> None:
    assert [number for number in mls.SUITES if number >= 0xF000] == [HYBRID]  # RFC 9420, 17.1
    assert suite_by_number(HYBRID).hpke.kem.suite_id == b"\x64\x7a"  # X-Wing
    assert suite_by_number(CLASSICAL) is mls.SUITE_1


def test_each_has_a_name_a_size_and_a_place() -> None:
    assert set(SUITES) == set(SUITE_NAMES) == set(MAX_LEAVES)
    assert max(MAX_LEAVES.values()) == MAX_GROUP_LEAVES
    assert DEFAULT_SUITE == SUITES[0] == HYBRID  # the strongest first
    assert [suite_named(SUITE_NAMES[number]) for number in SUITES] == list(SUITES)
    assert sorted((CLASSICAL, 0, HYBRID), key=strength_rank) == [HYBRID, CLASSICAL, 0]
    for other in ("", "Hybrid", "post-quantum", "1"):
        with pytest.raises(WireError, match="hybrid or classical"):
            suite_named(other)
