"""The ratchet: keys in any order within the window, each once."""

import random

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.ratchet import LAST_GENERATION, MOST_FORWARD, MOST_SKIPPED, Ratchet
from crypto.mls.suite import SUITE_1

START = Ratchet(0, bytes(32))


def _keys(count: int) -> list[bytes]:
    ratchet, keys = START, []
    for _ in range(count):
        ratchet, key = ratchet.next_key(SUITE_1)
        keys.append(key.key + key.nonce)
    return keys


def test_both_ends_have_the_same_keys_in_any_order() -> None:
    keys = _keys(50)
    order = random.Random(1).sample(range(50), 50)
    ratchet = START
    for generation in order:
        ratchet, key = ratchet.key_for(SUITE_1, generation)
        assert (key.generation, key.key + key.nonce) == (generation, keys[generation])
    assert (ratchet.generation, ratchet.skipped) == (50, {})
    assert len(set(keys)) == 50


def test_a09_a_key_is_given_once() -> None:
    ratchet, _ = START.key_for(SUITE_1, 3)
    ratchet, _ = ratchet.key_for(SUITE_1, 1)
    for generation in (3, 1):
        with pytest.raises(PeerError) as caught:
            ratchet.key_for(SUITE_1, generation)
        assert caught.value.code == "key_consumed"
    assert sorted(ratchet.skipped) == [0, 2]


def test_a26_the_window_forward_is_bounded() -> None:
    ratchet, _ = START.key_for(SUITE_1, MOST_FORWARD)
    assert len(ratchet.skipped) == MOST_FORWARD
    for generation in (MOST_FORWARD + 1, LAST_GENERATION - 1, LAST_GENERATION):
        with pytest.raises(PeerError) as caught:
            START.key_for(SUITE_1, generation)
        assert caught.value.code == "generation_too_far"


def test_a26_the_last_generation_costs_nothing() -> None:
    class Counting:
        def derive_tree_secret(self, *_: object) -> bytes:
            raise AssertionError("derived a key for a generation out of reach")

    with pytest.raises(PeerError):
        START.key_for(Counting(), LAST_GENERATION)  # type: ignore[arg-type]
    near = Ratchet(LAST_GENERATION - 1, bytes(32))
    with pytest.raises(PeerError):
        near.key_for(SUITE_1, LAST_GENERATION)
    last, key = near.next_key(SUITE_1)
    assert key.generation == LAST_GENERATION - 1
    with pytest.raises(UsageError):
        last.next_key(SUITE_1)


def test_the_oldest_keys_passed_over_are_dropped_first() -> None:
    ratchet, _ = START.key_for(SUITE_1, 900)
    ratchet, _ = ratchet.key_for(SUITE_1, 1800)
    assert len(ratchet.skipped) == MOST_SKIPPED
    assert min(ratchet.skipped) == 1799 - MOST_SKIPPED
    with pytest.raises(PeerError) as caught:
        ratchet.key_for(SUITE_1, 0)
    assert caught.value.code == "key_consumed"
    _, key = ratchet.key_for(SUITE_1, 1799)
    assert key.key + key.nonce == _keys(1800)[1799]


def test_an_older_state_is_not_changed() -> None:
    ahead, _ = START.key_for(SUITE_1, 5)
    further, _ = ahead.key_for(SUITE_1, 9)
    further.key_for(SUITE_1, 2)
    assert (START.generation, START.skipped) == (0, {})
    assert sorted(ahead.skipped) == [0, 1, 2, 3, 4]
    assert sorted(further.skipped) == [0, 1, 2, 3, 4, 6, 7, 8]


def test_secrets_are_not_shown() -> None:
    ratchet, key = Ratchet(0, b"\xaa" * 32).key_for(SUITE_1, 1)
    assert repr(ratchet) == "Ratchet(generation=2)"
    assert repr(key) == "MessageKey(generation=1)"
