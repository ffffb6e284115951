from __future__ import annotations

import random

import pytest

from crypto.errors import PeerError, UsageError
from crypto.sealing import Cost, derive_key, lock, unlock, unwrap_key, wrap_key

RANDOM = random.Random(2).randbytes
CHEAP = Cost(memory_kib=8 * 1024, passes=1)
DATA_KEY = bytes(range(32))
KEY = bytes(range(32, 64))


def code_of(action: object, *arguments: object) -> str:
    assert callable(action)
    with pytest.raises(PeerError) as caught:
        action(*arguments)
    return caught.value.code


def test_a_passphrase_opens_what_it_locked() -> None:
    locked = lock("caf\u00e9 au lait", DATA_KEY, cost=CHEAP, random=RANDOM)
    assert unlock("caf\u00e9 au lait", locked) == DATA_KEY
    assert unlock("cafe\u0301 au lait", locked) == DATA_KEY


def test_another_passphrase_is_told_from_a_damaged_lock() -> None:
    locked = lock("right", DATA_KEY, cost=CHEAP, random=RANDOM)
    assert code_of(unlock, "wrong", locked) == "bad_passphrase"
    for at in range(len(locked)):
        bad = bytearray(locked)
        bad[at] ^= 0x80
        assert code_of(unlock, "right", bytes(bad)) == "store_damaged"
    for size in (0, 10, 22, len(locked) - 1):
        assert code_of(unlock, "right", locked[:size]) == "store_damaged"
    assert code_of(unlock, "right", locked + b"\0") == "store_damaged"


def test_the_default_cost_is_taken_and_stored() -> None:
    locked = lock("right", DATA_KEY, random=RANDOM)
    assert Cost.from_bytes(locked[16:22]) == Cost()
    assert unlock("right", locked) == DATA_KEY


def test_a51_the_lock_does_not_hold_the_key_in_the_clear() -> None:
    assert DATA_KEY not in lock("right", DATA_KEY, cost=CHEAP, random=RANDOM)
    assert DATA_KEY not in wrap_key(KEY, DATA_KEY, random=RANDOM)


def test_a_wrapped_key_opens_under_its_key_and_context() -> None:
    wrapped = wrap_key(KEY, DATA_KEY, context=b"profile", random=RANDOM)
    assert unwrap_key(KEY, wrapped, context=b"profile") == DATA_KEY
    assert code_of(unwrap_key, bytes(32), wrap_key(KEY, DATA_KEY)) == "bad_passphrase"
    assert code_of(unwrap_key, KEY, wrapped) == "store_damaged"


@pytest.mark.parametrize(
    "cost",
    [(8 * 1024 - 1, 3, 1), (1024 * 1024 + 1, 3, 1), (65536, 0, 1), (65536, 17, 1), (65536, 3, 9)],
)
def test_an_impossible_cost_is_never_paid(cost: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError):
        Cost(*cost)
    stored = cost[0].to_bytes(4, "big") + bytes(cost[1:])
    assert code_of(Cost.from_bytes, stored) == "store_damaged"
    assert code_of(Cost.from_bytes, stored[:5]) == "store_damaged"


def test_sizes_are_checked() -> None:
    for bad in (b"", bytes(31), bytes(33)):
        with pytest.raises(UsageError):
            wrap_key(bad, DATA_KEY)
        with pytest.raises(UsageError):
            wrap_key(KEY, bad)
        with pytest.raises(UsageError):
            unwrap_key(bad, wrap_key(KEY, DATA_KEY))
    with pytest.raises(UsageError):
        derive_key("right", bytes(15), CHEAP)
