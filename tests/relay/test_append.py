"""Appending messages: the checks in their order, repeats, and who gets what."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, insert

from crypto.mls.group import create, tree_objects
from crypto.mls.proposals import Remove
from crypto.mls.suite import suite_by_number
from relay import admin, append
from relay.context import Limits
from relay.worker import run_batch
from storage.relay import conversation_rows
from storage.relay.schema import direct_roots
from tests.relay.actors import World
from tests.relay.databases import empty_database
from tests.relay.worlds import code_of, group_extensions, rid, stored
from wire import replies, requests
from wire.entry import Effect, EffectKind, EntryData, encode_data
from wire.limits import MAX_MESSAGE_BYTES
from wire.policy import LOBBY_POLICY
from wire.requests import Act
from wire.suites import DEFAULT_SUITE


def test_a_repeat_returns_the_first_answer_and_stores_nothing(any_world: World) -> None:
    alice = any_world.account("Alice")
    room = alice.room()
    request = alice.message(room)
    first = alice.do(append.append, request)
    alice.say(room, b"later")
    again = alice.do(append.append, structs.replace(request, rid=9999))
    assert first.reply == replies.Accepted(((request.rid, 1),))
    assert again.reply == replies.Accepted(((9999, 1),))
    assert again.events == ()
    assert [entry.seq for entry in alice.fetch(room).entries] == [1, 2]


def test_a_repeat_in_one_batch_returns_the_first_answer(any_world: World) -> None:
    alice = any_world.account("Alice")
    room = alice.room()
    request = alice.message(room)

    def job(connection: Connection) -> Any:
        return append.append(connection, any_world.context, alice.who, request)

    outcomes = run_batch(any_world.database.write, [job, job])
    assert [outcome.reply for outcome in outcomes] == [replies.Accepted(((request.rid, 1),))] * 2
    assert len(alice.fetch(room).entries) == 1


def test_a_transaction_is_one_devices_and_one_conversations(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    one, other = alice.room("one"), alice.room("other")
    bob.join(one)
    alice.catch_up(one)
    transaction = bytes(15) + b"x"
    alice.do(append.append, alice.message(one, transaction_id=transaction))
    same = alice.message(other, transaction_id=transaction)
    assert code_of(lambda: alice.do(append.append, same)) == "bad_request"
    his = bob.do(append.append, bob.message(one, transaction_id=transaction)).reply
    assert isinstance(his, replies.Accepted)
    assert his.answers[0][1] == 3


def test_a_message_stands_on_the_newest_commit(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    late = alice.message(room)
    bob.join(room)
    conflict = alice.do(append.append, late).reply
    assert conflict == replies.Conflict(late.rid, 1, removal=False)
    ahead = bob.message(room, stands_on=7)
    assert bob.do(append.append, ahead).reply == replies.Conflict(ahead.rid, 1, removal=False)
    alice.catch_up(room)
    assert isinstance(alice.say(room).reply, replies.Accepted)


def test_only_members_append(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    bob.groups[room], bob.heads[room] = alice.groups[room], 0
    bob.signer, signer = alice.signer, bob.signer
    forged = bob.message(room)
    bob.signer = signer
    assert code_of(lambda: bob.do(append.append, forged)) == "forbidden"
    assert code_of(lambda: bob.fetch(room)) == "forbidden"


def test_there_must_be_such_a_conversation(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    request = alice.message(room)
    elsewhere = structs.replace(request, conversation=bytes(16))
    assert code_of(lambda: alice.do(append.append, elsewhere)) == "bad_request"
    _, group = alice.founding(LOBBY_POLICY)
    alice.groups[group.group_id], alice.heads[group.group_id] = group, 0
    unknown = alice.message(group.group_id)
    assert code_of(lambda: alice.do(append.append, unknown)) == "no_such_room"


@pytest.mark.parametrize("message", [b"", b"\0\1\0\2", b"\0\1\0\3x", b"\0\2\0\2", bytes(300)])
def test_what_is_no_entry_is_refused(world: World, message: bytes) -> None:
    alice = world.account("Alice")
    request = requests.Append(rid(), alice.room(), message)
    assert code_of(lambda: alice.do(append.append, request)) == "bad_request"


def test_an_entrys_description_has_one_form(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    for data in (b"", b"junk", encode_data(EntryData(0, bytes(16))) + b"\0"):
        _, message = alice.groups[room].protect(b"x", signer=alice.signer, authenticated_data=data)
        request = requests.Append(rid(), room, message)
        assert code_of(lambda r=request: alice.do(append.append, r)) == "bad_request"


def test_members_proposals_are_no_entries(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    data = encode_data(EntryData(0, bytes(16)))
    _, message = alice.groups[room].propose(Remove(0), signer=alice.signer, authenticated_data=data)
    request = requests.Append(rid(), room, message)
    assert code_of(lambda: alice.do(append.append, request)) == "bad_request"


def test_a_message_changes_no_membership_and_brings_nothing(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    effect = Effect(EffectKind.REMOVED, "alice", alice.id, 0, bytes(32))
    assert code_of(lambda: alice.do(append.append, alice.message(room, effects=(effect,)))) == (
        "bad_request"
    )
    parts = requests.CommitParts(b"", ())
    bringing = structs.replace(alice.message(room), commit=parts)
    assert code_of(lambda: alice.do(append.append, bringing)) == "bad_request"


def test_a_message_has_a_largest_size(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    large = alice.message(room, bytes(MAX_MESSAGE_BYTES))
    assert code_of(lambda: alice.do(append.append, large)) == "too_large"


def test_the_muted_read_and_commit_but_do_not_speak(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.MUTE, "bob", for_s=60))
    assert code_of(lambda: bob.say(room)) == "muted"
    alice.say(room, b"well?")
    assert bob.catch_up(room) == [b"well?"]
    assert isinstance(bob.send_commit(room, bob.commit(room)).reply, replies.Accepted)
    world.clock.ms += 60_001
    assert isinstance(bob.say(room, b"back").reply, replies.Accepted)


def test_nobody_writes_to_the_banned(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    direct = alice.direct(bob)
    alice.add(direct, bob)
    any_world.run(lambda c: admin.act_as_operator(c, any_world.context, Act.BAN, "bob"))
    before = alice.message(direct)
    assert code_of(lambda: alice.do(append.append, before)) == "banned"
    alice.catch_up(direct)
    alice.send_commit(direct, alice.commit(direct))
    assert code_of(lambda: alice.say(direct)) == "banned"
    any_world.run(lambda c: admin.act_as_operator(c, any_world.context, Act.UNBAN, "bob"))
    assert isinstance(alice.say(direct).reply, replies.Accepted)


def test_a73_an_account_stores_no_more_than_its_share(tmp_path: Any) -> None:
    with empty_database("sqlite", tmp_path) as database:
        world = World(database, limits=Limits(bcrypt_cost=4, stored_bytes_per_account=8000))
        alice, bob = world.account("Alice"), world.account("Bob")
        room = alice.room()
        bob.join(room)
        alice.catch_up(room)
        assert isinstance(alice.say(room, bytes(3000)).reply, replies.Accepted)
        assert code_of(lambda: alice.say(room, bytes(6000))) == "rate_limited"
        assert len(alice.fetch(room).entries) == 2
        assert bob.catch_up(room) == [bytes(3000)]


def test_the_sender_is_told_by_its_answer_and_the_others_by_the_entry(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    request = alice.message(room)
    (event,) = stored(alice.do(append.append, request).events)
    assert (event.sender, set(event.readers)) == (alice.id, {alice.id, bob.id})
    (entry,) = event.entries
    assert (entry.seq, entry.message) == (2, request.message)
    assert entry.arrived_at_ms == world.clock.ms
    assert bob.fetch(room, 1).entries == (entry,)


def test_a_group_of_another_relay_is_not_kept(world: World) -> None:
    alice = world.account("Alice")
    other = World(world.database)
    group, info = create(
        suite=suite_by_number(DEFAULT_SUITE),
        group_id=bytes(16),
        config=alice.config,
        extensions=group_extensions(other, LOBBY_POLICY),
    )
    from relay import conversations

    request = requests.Create(rid(), bytes(16), info, tree_objects(group))
    assert code_of(lambda: alice.do(conversations.create, request)) == "bad_request"


def test_a80_an_epoch_that_no_database_holds_is_refused_alone(any_world: World) -> None:
    """A foreign commit may name any 64-bit epoch; what is done beside it is not its concern."""
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    lobby = alice.lobby()
    request, _ = bob.external(lobby)
    at = 4 + 1 + len(lobby)
    assert request.message[at : at + 8] == bytes(8)
    for epoch in ((1 << 64) - 1, 1 << 63):
        message = request.message[:at] + epoch.to_bytes(8, "big") + request.message[at + 8 :]
        poison = structs.replace(request, message=message)
        assert code_of(lambda p=poison: bob.do(append.append, p)) == "bad_request"


def test_a_private_message_costs_the_same_however_many_others_write(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    direct = alice.direct(bob)
    steps: list[int] = []

    def send(connection: Connection) -> None:
        raw = connection.connection.driver_connection
        assert raw is not None
        counted: list[int] = []
        raw.set_progress_handler(lambda: counted.append(1), 1)
        append.append(connection, world.context, alice.who, alice.message(direct))
        raw.set_progress_handler(None, 0)
        steps.append(len(counted))

    notes = alice.direct(alice)

    def crowd(connection: Connection) -> None:
        found = conversation_rows.find(connection, notes)
        assert found is not None
        rows = [{"root": n.to_bytes(32, "big"), "conversation_id": found.id} for n in range(300)]
        connection.execute(insert(direct_roots), rows)

    world.run(send)
    world.run(crowd)
    world.run(send)
    assert steps[1] <= steps[0] + 20
