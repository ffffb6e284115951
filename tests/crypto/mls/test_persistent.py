"""Persistent vectors against plain lists, and what they share."""

import random

import pytest

from crypto.mls.persistent import PersistentVector


def _at(values: list[object], index: int) -> object:
    return values[index] if index < len(values) else None


@pytest.mark.parametrize("seed", range(4))
def test_it_behaves_like_a_list_and_old_versions_stay(seed: int) -> None:
    choose = random.Random(seed)
    vector: PersistentVector[object] = PersistentVector()
    values: list[object] = []
    history = []
    for _ in range(300):
        before, old = vector, list(values)
        action = choose.random()
        value = choose.choice([None, object()])
        if action < 0.6 and values:
            index = choose.randrange(len(values))
            vector, values[index] = vector.set(index, value), value
        elif action < 0.8:
            vector = vector.append(value)
            values.append(value)
        else:
            size = choose.choice([0, 1, 31, 32, 33, 1024, 1025, choose.randrange(3000)])
            vector, values = vector.resized(size), (values + [None] * size)[:size]
        assert list(vector) == values
        assert len(vector) == len(values)
        longer = range(max(len(values), len(old)))
        differing = [i for i in longer if _at(values, i) is not _at(old, i)]
        assert list(vector.changed(before)) == differing
        history.append((before, old))
    assert all(list(before) == old for before, old in history)


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1023, 1024, 1025, 40000])
def test_it_is_made_from_values(size: int) -> None:
    vector = PersistentVector(range(size))
    assert list(vector) == list(range(size))
    assert [vector[i] for i in range(0, size, 7)] == list(range(0, size, 7))
    assert list(vector.items()) == list(enumerate(range(size)))


def test_emptiness_costs_nothing_and_its_items_are_none() -> None:
    vector: PersistentVector[str] = PersistentVector.empty(10**9)
    assert (len(vector), vector[10**9 - 1], list(vector.items())) == (10**9, None, [])
    far = vector.set(10**8, "here")
    assert list(far.items()) == [(10**8, "here")]
    assert list(far.changed(vector)) == [10**8]
    assert list(far.set(10**8, None).changed(vector)) == []


@pytest.mark.parametrize("index", [-1, 3, 32])
def test_an_index_outside_is_refused(index: int) -> None:
    vector = PersistentVector("abc")
    with pytest.raises(IndexError):
        vector[index]
    with pytest.raises(IndexError):
        vector.set(index, "x")
