"""The relay's Removes: pending, issued again, and closing what is left empty."""

from __future__ import annotations

from typing import Any

from crypto.mls.codec import decode_all
from crypto.mls.framing import ContentType, SenderType, read_public_message
from crypto.mls.proposals import Remove, decode_proposal
from relay import admin, append, conversations, leaving
from relay.outcome import AskCommit, Outcome
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid, stored, told
from wire import replies, requests
from wire.entry import OrderKind, decode_removal_data
from wire.policy import LOBBY_POLICY, JoinRule
from wire.pushes import ConversationChanged
from wire.requests import Act


def ban(world: World, name: str) -> Outcome:
    found = world.run(lambda c: admin.act_as_operator(c, world.context, Act.BAN, name))
    assert isinstance(found, Outcome)
    return found


def leave(device: Device, room: bytes) -> Outcome:
    order = device.order(OrderKind.LEAVE, conversation=room)
    return device.do(leaving.leave, requests.Leave(rid(), room, order))


def asks(outcome: Outcome) -> list[AskCommit]:
    return [event for event in outcome.events if isinstance(event, AskCommit)]


def people(world: World, *names: str) -> tuple[list[Device], bytes]:
    found = [world.account(name) for name in names]
    room = found[0].room()
    found[0].add(room, *found[1:])
    return found, room


def test_a15_the_relay_proposes_a_remove_and_nothing_else(world: World) -> None:
    (_, bob), room = people(world, "Alice", "Bob")
    for event in stored(ban(world, "bob").events):
        for entry in event.entries:
            content = decode_all(entry.message[4:], read_public_message).content
            assert content.sender.type is SenderType.EXTERNAL
            assert content.content_type is ContentType.PROPOSAL
            assert decode_proposal(content.content) == Remove(1)
            data = decode_removal_data(content.authenticated_data)
            assert (data.account, data.device, data.order) == ("bob", bob.id, None)
            assert content.group_id == room


def test_a16_a_members_commit_carries_out_all_that_waits(any_world: World) -> None:
    (alice, bob, carol), room = people(any_world, "Alice", "Bob", "Carol")
    ban(any_world, "bob")
    leave(carol, room)
    plain, _ = alice.commit(room)  # Alice does not know yet
    blocked = alice.do(append.append, plain).reply
    assert isinstance(blocked, replies.Conflict)
    assert (blocked.stands_on, blocked.removal) == (3, True)
    one = alice.fetch(room, 1).entries[0]
    alice.groups[room] = alice.groups[room].receive_proposal(one.message)
    alice.heads[room] = 3
    half, _ = alice.commit(room)
    assert isinstance(alice.do(append.append, half).reply, replies.Conflict)
    alice.groups[room] = alice.groups[room].receive_proposal(
        alice.fetch(room, 2).entries[0].message
    )
    outcome = alice.send_commit(room, alice.commit(room))
    assert isinstance(outcome.reply, replies.Accepted)
    assert asks(outcome) == []
    assert isinstance(alice.say(room).reply, replies.Accepted)
    assert bob.fetch(room).last_seq == carol.fetch(room).last_seq == 4


def test_from_outside_one_comes_in_and_the_removes_are_issued_again(any_world: World) -> None:
    (alice, bob), room = people(any_world, "Alice", "Bob")
    carol = any_world.account("Carol")
    ban(any_world, "bob")
    outcome = carol.join(room)
    assert isinstance(outcome.reply, replies.Accepted)
    (ask,) = asks(outcome)
    assert (ask.stands_on, set(ask.candidates)) == (4, {alice.id, carol.id})
    commit, again = stored(outcome.events)
    assert [entry.seq for entry in commit.entries + again.entries] == [3, 4]
    assert set(again.readers) == {alice.id, bob.id, carol.id}
    assert isinstance(carol.do(append.append, carol.message(room)).reply, replies.Conflict)
    carol.catch_up(room)
    assert isinstance(carol.send_commit(room, carol.commit(room)).reply, replies.Accepted)
    assert isinstance(carol.say(room, b"in").reply, replies.Accepted)
    alice.groups[room] = alice.groups[room].without_pending()
    assert alice.catch_up(room) == [b"in"]


def test_a_leaf_is_proposed_once(world: World) -> None:
    (alice, bob), room = people(world, "Alice", "Bob")
    leave(bob, room)
    assert stored(leave(bob, room).events) == []
    assert stored(ban(world, "bob").events) == []
    assert [entry.seq for entry in alice.fetch(room).entries] == [1, 2]


def test_whoever_leaves_may_not_join_from_outside_as_a_member(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room("den", JoinRule.INVITE)
    alice.add(room, bob)
    leave(bob, room)
    assert code_of(lambda: bob.sibling().join(room)) == "forbidden"


def test_a_room_that_nobody_stays_in_is_closed_and_its_name_free(any_world: World) -> None:
    (alice, bob), room = people(any_world, "Alice", "Bob")
    bob.say(room, b"last")
    outcome = ban(any_world, "bob")
    assert len(asks(outcome)) == 1
    closed = ban(any_world, "alice")
    assert asks(closed) == [AskCommit(room, 3, ())]
    assert told(closed.events, ConversationChanged) == [ConversationChanged(room)]
    assert code_of(lambda: alice.say(room)) == "no_such_room"
    assert code_of(lambda: alice.join_info(room)) == "no_such_room"
    assert [entry.seq for entry in alice.fetch(room).entries] == [1, 2, 3]
    carol = any_world.account("Carol")
    again = carol.room()
    assert again != room
    assert isinstance(carol.say(again).reply, replies.Accepted)


def test_the_lobby_can_be_founded_again(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    lobby = alice.lobby()
    again, _ = bob.founding(LOBBY_POLICY)
    assert code_of(lambda: bob.do(conversations.create, again)) == "room_exists"
    leave(alice, lobby)
    assert isinstance(bob.do(conversations.create, again).reply, replies.Created)
    by_name = alice.do(conversations.join_info, requests.JoinInfo(rid(), None, "Lobby")).reply
    assert isinstance(by_name, replies.JoinInfoFound)
    assert by_name.conversation == again.conversation


class TestLeave:
    def test_the_last_owner_names_another_first(self, world: World) -> None:
        (alice, bob), room = people(world, "Alice", "Bob")
        assert code_of(lambda: leave(alice, room)) == "forbidden"
        assert isinstance(leave(bob, room).reply, replies.Ok)

    def test_with_all_devices(self, world: World) -> None:
        (alice, bob), room = people(world, "Alice", "Bob")
        phone = bob.sibling()
        phone.join(room)
        assert sum(len(event.entries) for event in stored(leave(bob, room).events)) == 2
        assert alice.fetch(room).last_seq == 4

    def test_only_by_its_own_order(self, world: World) -> None:
        (alice, bob), room = people(world, "Alice", "Bob")
        changes: list[dict[str, Any]] = [
            {},
            {"conversation": bytes(16)},
            {"conversation": room, "device": bob.id},
            {"conversation": room, "issued_at_ms": world.clock.ms - leaving.ORDER_AGE_MS - 1},
        ]
        orders = [bob.order(OrderKind.LEAVE, **each) for each in changes]
        orders.append(bob.order(OrderKind.BAN, conversation=room))
        orders.append(alice.order(OrderKind.LEAVE, bob, conversation=room))
        orders.append(alice.order(OrderKind.LEAVE, conversation=room))
        for order in orders:
            request = requests.Leave(rid(), room, order)
            assert code_of(lambda r=request: bob.do(leaving.leave, r)) == "bad_request"

    def test_only_from_where_one_is(self, world: World) -> None:
        (_, _), room = people(world, "Alice", "Bob")
        eve = world.account("Eve")
        assert code_of(lambda: leave(eve, room)) == "forbidden"
        assert code_of(lambda: leave(eve, bytes(16))) == "no_such_room"
