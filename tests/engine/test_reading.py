"""What a seat makes of entries: replays, gaps, transplants, a relay that shows two logs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from msgspec.structs import replace as with_fields

from engine.content import RoomSecret, Text, encode_content
from engine.conversation import State, from_row, row_of
from engine.events import Message, Notice, Unreadable
from engine.reading import OwnMessage
from tests.engine.table import LOBBY, PSK, RELAY, Person, Seat, Table, room, seeded
from wire.entry import EntryData, encode_data
from wire.policy import JoinRule
from wire.replies import Entry

ALICE, BOB, CAROL, MALLORY = map(Person.named, ("alice", "bob", "carol", "mallory"))


def seated() -> tuple[Table, Seat, Seat, Seat]:
    """Alice, Bob and Carol in the lobby."""
    table = Table(LOBBY, ALICE.device())
    bob, carol = table.come_in(BOB.device()), table.come_in(CAROL.device())
    return table, table.founder, bob, carol


def test_everybody_reads_what_is_said() -> None:
    _, alice, bob, carol = seated()
    alice.say("hi")
    bob.say("hello")
    for seat in (alice, bob, carol):
        assert seat.texts[-2:] == ["hi", "hello"]
        assert seat.value.hash == alice.value.hash
    assert isinstance(carol.steps[-1].events[0], Message)
    assert carol.steps[-1].counter == (bob.keys.device, 1)
    assert alice.value.own_counter == 1


def test_a01_what_is_no_commit_of_a_member_changes_no_membership() -> None:
    """The relay makes up entries of every kind; nobody is in afterwards who was not before."""
    table, alice, bob, carol = seated()
    chance = random.Random(7)
    real = [entry.message for entry in table.log]
    for number in range(100):
        message = bytearray(chance.choice(real))
        message[chance.randrange(len(message))] ^= 1 << chance.randrange(8)
        table.post(bytes(message) if number % 3 else chance.randbytes(200))
    for seat in (alice, bob, carol):
        assert {place.account for place in seat.standing.roster} == {"alice", "bob", "carol"}
        assert seat.value.state is State.ACTIVE
        assert seat.group.epoch == alice.group.epoch


def test_a05_a_message_of_one_kind_is_no_other() -> None:
    """Each kind of message under each other's place: only its own place accepts it."""
    table, alice, bob, carol = seated()
    content = bob.content("said here")
    elsewhere = EntryData(bob.value.stands_on, b"z" * 16)
    table.post(bob.seal(content, data=elsewhere), by=bob)
    assert alice.unread[-1] == "misplaced"
    table.post(bob.seal(bob.content("x"), data=EntryData(0, b"z" * 16)), by=bob)
    assert alice.unread[-1] == carol.unread[-1] == "misplaced"
    group, message = bob.group.protect(
        b"not a content",
        signer=bob.keys.signer,
        authenticated_data=encode_data(EntryData(bob.value.stands_on, b"y" * 16)),
    )
    bob.value = replace(bob.value, group=group)
    table.post(message, by=bob)
    assert alice.unread[-1] == "bad_content"
    group, message = bob.group.protect(
        encode_content(content), signer=bob.keys.signer, authenticated_data=b""
    )
    table.post(message, by=bob)
    assert alice.unread[-1] == "malformed"
    info = alice.group.signed_group_info(alice.keys.signer)
    table.post(info)
    assert alice.unread[-1] == "malformed"


@pytest.mark.parametrize("change", ["hash", "future", "past"])
def test_a06_another_log_than_the_senders_freezes(change: str) -> None:
    table, alice, bob, carol = seated()
    alice.say("one")
    wrong = {
        "hash": {"hash": b"x" * 32},
        "future": {"position": len(table.log) + 5},
        "past": {"position": 0},
    }[change]
    before = carol.value
    bob.say("of another log", **wrong)
    for seat in (alice, carol):
        assert seat.value.state is State.FROZEN
        assert "of another log" not in seat.texts
        notice = seat.steps[-1].events[-1]
        assert isinstance(notice, Notice)
        assert notice.kind == "frozen"
    assert carol.value.cursor == before.cursor


def test_a06_a_fork_shows_at_the_first_message_across_it() -> None:
    """The relay hides a message from Carol; the next one that she reads gives it away."""
    table, alice, bob, carol = seated()
    table.seats.remove(carol)
    hidden = alice.say("not for Carol")
    table.seats.append(carol)
    shown = Entry(hidden.seq, hidden.arrived_at_ms, b"what the relay puts instead")
    carol.take(shown)
    assert carol.unread[-1] == "malformed"
    bob.say("after it")
    assert carol.value.state is State.FROZEN
    assert alice.value.state is State.ACTIVE


def test_a08_a_withheld_message_is_a_gap() -> None:
    _, _, bob, carol = seated()
    bob.say("one")
    bob.say("two", counter=4)
    gap = [event for event in carol.steps[-1].events if isinstance(event, Unreadable)]
    assert [(event.code, event.sender) for event in gap] == [("gap", "bob")]
    message = carol.steps[-1].events[-1]
    assert isinstance(message, Message)
    assert (message.text, message.missing) == ("two", 2)
    assert [line.text for line in carol.steps[-1].lines if line.kind == "gap"] == ["2"]


def test_a08_every_message_that_is_left_out_shows() -> None:
    _, _, bob, carol = seated()
    chance, counter, expected = random.Random(3), 0, 0
    lost = 0
    for _ in range(200):
        counter += 1
        if chance.random() < 0.1:
            lost += 1
            continue
        bob.say(str(counter), counter=counter)
        expected, lost = expected + (lost if counter - lost > 1 else 0), 0
    flagged = [line for step in carol.steps for line in step.lines if line.kind == "gap"]
    assert sum(int(line.text) for line in flagged) == expected > 0


def test_a09_a_replayed_message_is_read_once() -> None:
    table, _, bob, carol = seated()
    entries = [bob.say(str(number)) for number in range(5)]
    again = from_row(
        row_of(carol.value),
        group=carol.value.group,
        hashes={carol.value.cursor: carol.value.hash},
        counters=carol.value.counters,
        relay_key=RELAY.public,
    )
    carol.value = again  # as after a restart
    for entry in entries * 3:
        table.post(entry.message, by=bob)
    assert carol.texts == [str(number) for number in range(5)]
    assert len(carol.unread) == 15


def test_a11_a_message_of_another_epoch_or_group_is_not_read() -> None:
    table, alice, bob, carol = seated()
    old = bob.say("old")
    _, _, stranger, _ = seated()
    foreign = stranger.say("foreign")
    alice.commit()
    table.post(old.message)
    assert carol.unread[-1] == "other_epoch"
    table.post(foreign.message)
    assert carol.unread[-1] in ("other_epoch", "misplaced", "decryption_failed")
    moved = with_fields(foreign, message=foreign.message.replace(bytes(range(16)), b"g" * 16))
    table.post(moved.message)
    assert carol.unread[-1] == "misplaced"
    assert "foreign" not in carol.texts


def test_a24_another_members_words_are_shown_once() -> None:
    """An insider seals Bob's very content anew under a fresh key: its counter was seen."""
    table, alice, bob, carol = seated()
    content = bob.content("once")
    table.post(bob.seal(content), by=bob)
    assert carol.texts == ["once"]
    table.post(bob.seal(content), by=bob)  # a fresh generation, the same content
    assert carol.texts == ["once"]
    assert carol.unread[-1] == "repeated"
    # However far ahead the copies were sealed, they used up none of Bob's own keys.
    carol_before = carol.value.group
    table.post(bob.seal(content), by=bob)
    assert carol.value.group is carol_before
    # From his own leaf it is under his own name, with his own counter.
    table.post(alice.seal(content), by=alice)
    shown = [line for step in carol.steps for line in step.lines if line.kind == "message"]
    assert [line.sender for line in shown] == ["bob", "alice"]


def test_a17_nobody_sits_in_a_branch_that_lost() -> None:
    """Two commits for one epoch: who stands on the second never gets in."""
    table, alice, bob, carol = seated()
    for _ in range(5):
        stands_on = alice.value.stands_on
        alice.commit()
        late = EntryData(stands_on, table.number())
        draft = bob.group.draft()
        made = draft.finish(signer=bob.keys.signer, authenticated_data=encode_data(late))
        table.post(made.message, by=bob)
        assert carol.verdict == "refused"
        bob.value = replace(bob.value, stands_on=len(table.log))
    assert alice.group.epoch == bob.group.epoch == carol.group.epoch
    carol.say("still together")
    assert alice.texts[-1] == bob.texts[-1] == "still together"


def test_what_the_relay_changed_of_ones_own_freezes() -> None:
    _, alice, bob, _ = seated()
    content = bob.content("mine")
    message = bob.seal(content)
    own = OwnMessage(content.id, message, body=content.body, sent_at_ms=1)
    bob.take(Entry(bob.value.cursor + 1, 1, message[:-1] + b"x"), own=own)
    assert bob.value.state is State.FROZEN
    assert alice.value.state is State.ACTIVE


def test_a_copy_of_this_device_makes_it_stop() -> None:
    table, alice, bob, carol = seated()
    leaf = bob.place.leaf
    table.come_in(bob.keys, remove_leaf=leaf)
    assert alice.verdict == carol.verdict == "accepted"
    assert (bob.value.state, bob.value.group) == (State.FROZEN, None)
    notice = bob.steps[-1].events[-1]
    assert isinstance(notice, Notice)
    assert notice.kind == "clone"


def test_a_rooms_key_counts_from_an_owner_only() -> None:
    table = Table(room(ALICE, JoinRule.PASSWORD), ALICE.device(), psk=True)
    bob = table.come_in(BOB.device(), psk=PSK)
    bob.say("", body=RoomSecret(b"b" * 16, b"b" * 32))
    assert b"b" * 16 not in table.founder.secrets
    table.founder.say("", body=RoomSecret(b"a" * 16, b"a" * 32))
    assert bob.secrets[b"a" * 16] == b"a" * 32


def test_a80_a_message_that_cannot_be_read_stops_nothing() -> None:
    table, _, bob, carol = seated()
    chance = seeded(5)
    for number in range(50):
        table.post(chance(300))
        bob.say(str(number))
    assert carol.texts == [str(number) for number in range(50)]


def test_texts_are_bounded() -> None:
    _, _, bob, carol = seated()
    bob.say("x" * (64 << 10))
    assert len(carol.texts[-1]) == 64 << 10
    assert isinstance(bob.content("y").body, Text)
