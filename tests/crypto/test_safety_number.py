from __future__ import annotations

import pytest

from crypto.errors import PeerError, UsageError
from crypto.identity import RootKey
from crypto.safety_number import (
    QR_PAYLOAD_BYTES,
    Party,
    grouped,
    is_match,
    qr_payload,
    safety_number,
)

ALICE: Party = ("alice", bytes(range(32)))
BOB: Party = ("bob", bytes(range(32, 64)))


def test_both_people_see_the_same_sixty_digits() -> None:
    number = safety_number(ALICE, BOB)
    assert number == safety_number(BOB, ALICE)
    assert len(number) == 60
    assert number.isdecimal()


def test_the_number_never_changes_between_versions() -> None:
    # Two people with different releases compare it: a change is a new version.
    assert (
        safety_number(ALICE, BOB) == "536731216450642201154711845999729159176985822196328949258815"
    )


def test_it_is_shown_in_groups_of_five() -> None:
    lines = grouped(safety_number(ALICE, BOB)).split("\n")
    assert [[len(group) for group in line.split(" ")] for line in lines] == [[5] * 4] * 3


def test_a03_a_man_in_the_middle_shows_in_the_number() -> None:
    numbers = set()
    for _ in range(10):
        alice, bob, mallory = (RootKey.generate().identity for _ in range(3))
        # Mallory gives each side a root of his own under the other's name.
        seen_by_alice = safety_number(("alice", alice), ("bob", mallory))
        seen_by_bob = safety_number(("bob", bob), ("alice", mallory))
        assert seen_by_alice != seen_by_bob
        numbers |= {seen_by_alice, seen_by_bob}
    assert len(numbers) == 20


def test_a04_each_bit_of_the_root_and_the_name_count() -> None:
    number = safety_number(ALICE, BOB)
    for at in (0, 15, 31):
        root = bytearray(BOB[1])
        root[at] ^= 1
        assert safety_number(ALICE, ("bob", bytes(root))) != number
    assert safety_number(ALICE, ("bobby", BOB[1])) != number
    with pytest.raises(UsageError):
        safety_number(ALICE, ("bob", BOB[1][:31]))


def test_the_code_matches_what_the_other_shows_only() -> None:
    shown_by_bob = qr_payload(BOB, ALICE)
    assert len(shown_by_bob) == QR_PAYLOAD_BYTES
    assert is_match(shown_by_bob, ALICE, BOB)
    assert not is_match(qr_payload(ALICE, BOB), ALICE, BOB), "one's own code proves nothing"
    mallory = ("alice", bytes(32))
    assert not is_match(qr_payload(BOB, mallory), ALICE, BOB), "Bob has another Alice"


@pytest.mark.parametrize("change", ["cut", "long", "version", "noise"])
def test_another_code_is_refused_by_name(change: str) -> None:
    good = qr_payload(BOB, ALICE)
    bad = {
        "cut": good[:-1],
        "long": good + b"\0",
        "version": good[:8] + b"\x02" + good[9:],
        "noise": bytes(QR_PAYLOAD_BYTES),
    }[change]
    with pytest.raises(PeerError) as caught:
        is_match(bad, ALICE, BOB)
    assert caught.value.code == "bad_safety_code"
