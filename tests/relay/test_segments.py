"""Runs of entries: whatever is stored is read back, whole and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import segments
from relay.segments import (
    MAX_SEGMENT_BYTES,
    MAX_SEGMENT_ENTRIES,
    Origins,
    message_at,
    origins_of,
    read,
    segments_of,
)
from storage.relay import conversation_rows
from tests.relay.actors import World
from wire.replies import Entry


def entries_of(sizes: list[int], first: int = 1) -> tuple[list[Entry], list[Origins]]:
    entries = [Entry(first + n, 1000 + n, bytes([n % 256]) * size) for n, size in enumerate(sizes)]
    ids = [bytes(15) + bytes([n % 256]) for n in range(len(sizes))]
    half = len(sizes) // 2
    return entries, [(1, 2, sum(sizes[:half]), ids[:half]), (3, 4, sum(sizes[half:]), ids[half:])]


@given(st.lists(st.sampled_from([1, 300, MAX_SEGMENT_BYTES // 3, MAX_SEGMENT_BYTES + 1])))
def test_a_segment_is_small_or_has_one_entry(sizes: list[int]) -> None:
    sizes = [*sizes, 5]
    made = segments_of(7, *entries_of(sizes))
    assert [s.first_seq for s in made[1:]] == [s.last_seq + 1 for s in made[:-1]]
    assert (made[0].first_seq, made[-1].last_seq) == (1, len(sizes))
    for each in made:
        size = sum(sizes[each.first_seq - 1 : each.last_seq])
        assert size <= MAX_SEGMENT_BYTES or each.first_seq == each.last_seq
    whose = [origins for segment in made for origins in origins_of(segment.origins)]
    for device, expected in ((2, entries_of(sizes)[1][0]), (4, entries_of(sizes)[1][1])):
        own = [origins for origins in whose if origins[1] == device]
        assert sum(size for _, _, size, _ in own) == expected[2]
        assert [one for *_, ids in own for one in ids] == expected[3]
        assert {account for account, *_ in own} <= {expected[0]}


def test_a_segment_has_so_many_entries_at_most() -> None:
    made = segments_of(7, *entries_of([1] * (MAX_SEGMENT_ENTRIES + 1)))
    assert [s.last_seq for s in made] == [MAX_SEGMENT_ENTRIES, MAX_SEGMENT_ENTRIES + 1]


def row_of(world: World, conversation: bytes) -> int:
    return world.run(lambda c: conversation_rows.find(c, conversation).id)  # type: ignore


def test_reading_begins_and_ends_where_it_is_asked_to(any_world: World) -> None:
    row = row_of(any_world, any_world.account("Alice").room())
    first, second = entries_of([100] * 10), entries_of([100] * 5, first=11)
    any_world.run(lambda c: segments.write(c, row, *first))
    any_world.run(lambda c: segments.write(c, row, *second))
    everything = (*first[0], *second[0])

    def found(after: int, last: int, limit: int = 99, budget: int = 1 << 20) -> tuple[Entry, ...]:
        return any_world.run(  # type: ignore[no-any-return]
            lambda c: read(c, row, after=after, last=last, limit=limit, budget_bytes=budget)
        )

    assert found(0, 99) == everything
    assert found(7, 12) == everything[7:12]
    assert found(7, 12, limit=2) == everything[7:9]
    assert found(9, 12, budget=250) == everything[9:11]
    assert found(9, 12, budget=1) == everything[9:10]  # one at least: whoever reads gets on
    assert found(15, 99) == ()


@pytest.mark.parametrize("seq", [1, 10, 11, 15, 16, 0])
def test_one_message_is_found_by_its_number(world: World, seq: int) -> None:
    row = row_of(world, world.account("Alice").room())
    world.run(lambda c: segments.write(c, row, *entries_of([3] * 10)))
    world.run(lambda c: segments.write(c, row, *entries_of([4] * 5, first=11)))
    found = world.run(lambda c: message_at(c, row, seq))
    sizes = {1: 3, 10: 3, 11: 4, 15: 4}
    assert (None if found is None else len(found)) == sizes.get(seq)
