"""engine.loading: a commit that was sent and not answered comes back as the epoch that it opens."""

from __future__ import annotations

from dataclasses import replace

from crypto.mls.group import changed_rows, from_rows, next_epoch_rows, rows
from crypto.mls.proposals import Remove
from engine.conversation import change_of, from_row, row_of
from engine.protecting import stands
from tests.engine.table import ALICE, RELAY, Seat, room, seated
from wire.entry import EntryData, encode_data


def drafted(seat: Seat, *leaves: int) -> tuple[dict[str, bytes], set[str], dict[str, bytes], bytes]:
    """A commit as it waits for its answer: changed rows, and the rows of its epoch."""
    data = EntryData(seat.value.stands_on, seat.table.number())
    draft = seat.group.draft([Remove(leaf) for leaf in leaves])
    made = draft.finish(signer=seat.keys.signer, authenticated_data=encode_data(data))
    spent = made.group_if_refused
    assert spent is not None
    seat.value = replace(seat.value, group=spent)
    put, gone = changed_rows(spent, made.group)
    return put, gone, rows(made.group), made.message


def test_messages_in_between_change_nothing_of_the_next_epoch() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    for leaves in ((), (carol.place.leaf,)):
        put, gone, expected, _ = drafted(alice, *leaves)
        for text in ("one", "two"):
            bob.say(text)
            carol.say(text)
        restored = from_rows(next_epoch_rows(rows(alice.group), put, gone))
        assert rows(restored) == expected


def test_a_commit_that_lost_does_not_stand() -> None:
    _, alice, bob, _ = seated(room(ALICE))
    *_, message = drafted(alice)
    assert stands(alice.value, message)
    bob.say("a message changes nothing")
    assert stands(alice.value, message)
    bob.commit()
    assert not stands(alice.value, message)


def test_a_value_comes_back_from_its_rows() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    for text in ("one", "two", "three"):
        bob.say(text)
    change = change_of(replace(carol.value, group=None), carol.steps[-1:])
    again = from_row(
        row_of(carol.value),
        group=from_rows(change.group_put),
        hashes=dict(change.hashes),
        counters=carol.value.counters,
        relay_key=RELAY.public,
    )
    assert (again.cursor, again.hash, again.notes) == (
        carol.value.cursor,
        carol.value.hash,
        carol.value.notes,
    )
    assert again.standing == carol.value.standing
    carol.value = again
    alice.say("four")
    assert carol.texts == ["one", "two", "three", "four"]
