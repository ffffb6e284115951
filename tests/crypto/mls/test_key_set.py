"""The set of keys against Python's own."""

import random

import pytest

from crypto.mls.key_set import KeySet


def test_it_behaves_like_a_set_and_never_changes_an_old_version() -> None:
    chooser = random.Random(1)
    versions: list[tuple[KeySet, set[bytes]]] = [(KeySet(), set())]
    for _ in range(2000):
        keys, expected = versions[-1]
        element = chooser.randrange(300).to_bytes(2)
        if element in expected:
            versions.append((keys.remove(element), expected - {element}))
        else:
            versions.append((keys.add((element,)), expected | {element}))
    for keys, expected in versions[::200]:
        for number in range(300):
            assert (number.to_bytes(2) in keys) == (number.to_bytes(2) in expected)


def test_what_stands_twice_or_not_at_all_is_an_error() -> None:
    keys = KeySet().add((b"one", b"two"))
    with pytest.raises(KeyError):
        keys.add((b"three", b"one"))
    with pytest.raises(KeyError):
        keys.remove(b"other")
    assert b"other" not in keys
    assert b"three" not in keys
