"""One story through all operations, on each database: register, found, add, talk, remove, ban."""

from __future__ import annotations

from relay import history, leaving, verdicts
from relay.outcome import AskCommit, WelcomeStored
from tests.relay.actors import World
from tests.relay.worlds import rid, stored
from wire import replies, requests
from wire.entry import OrderKind
from wire.pushes import ConversationChanged
from wire.requests import Verdict


def test_a_direct_conversation_from_first_to_last(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    phone = bob.sibling()
    direct = alice.direct(bob)
    outcome = alice.add(direct, bob, phone)
    welcomed = [each.device for each in outcome.events if isinstance(each, WelcomeStored)]
    assert sorted(welcomed) == sorted([bob.id, phone.id])
    said = alice.say(direct, b"hello")
    assert isinstance(said.reply, replies.Accepted)
    (event,) = stored(said.events)
    assert set(event.readers) == {alice.id, bob.id, phone.id}
    assert event.sender == alice.id
    assert bob.catch_up(direct) == [b"hello"]
    assert phone.catch_up(direct) == [b"hello"]
    votes = ((1, Verdict.ACCEPTED),)
    bob.do(verdicts.ack, requests.Ack(rid(), direct, 2, votes))
    heads = bob.do(history.heads, requests.Heads(rid())).reply
    assert isinstance(heads, replies.HeadList)
    (head,) = heads.heads
    assert (head.last_seq, head.cursor, head.is_member) == (2, 2, True)


def test_a_leave_is_committed_by_who_stays(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room = alice.room()
    assert isinstance(bob.join(room).reply, replies.Accepted)
    assert alice.catch_up(room) == []
    order = bob.order(OrderKind.LEAVE, conversation=room)
    left = bob.do(leaving.leave, requests.Leave(rid(), room, order))
    (ask,) = [event for event in left.events if isinstance(event, AskCommit)]
    assert ask == AskCommit(room, 2, (alice.id,))
    blocked = alice.say(room, b"too early").reply
    assert isinstance(blocked, replies.Conflict)
    assert (blocked.stands_on, blocked.removal) == (2, True)
    alice.catch_up(room)
    assert isinstance(alice.send_commit(room, alice.commit(room)).reply, replies.Accepted)
    assert isinstance(alice.say(room, b"alone").reply, replies.Accepted)
    assert [entry.seq for entry in bob.fetch(room).entries] == [1, 2, 3]
    order = alice.order(OrderKind.LEAVE, conversation=room)
    closed = alice.do(leaving.leave, requests.Leave(rid(), room, order))
    assert any(isinstance(getattr(e, "push", None), ConversationChanged) for e in closed.events)
    assert alice.room() != room
