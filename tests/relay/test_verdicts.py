"""Counting verdicts, and undoing what most refuse."""

from __future__ import annotations

from typing import Any

import pytest

from relay import append, history, leaving, verdicts
from relay.outcome import AskCommit, Event
from storage.relay import conversation_rows
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid, stored, told
from wire import replies, requests
from wire.entry import OrderKind
from wire.pushes import Tally, Undone
from wire.requests import Verdict

NAMES = ("Alice", "Bob", "Carol", "Dave", "Erin")


def group_of(world: World, count: int) -> tuple[list[Device], bytes]:
    """So many accounts in one room."""
    people = [world.account(name) for name in NAMES[:count]]
    room = people[0].room()
    if count > 1:
        people[0].add(room, *people[1:])
    return people, room


def vote(device: Device, room: bytes, seq: int, verdict: Verdict) -> tuple[Event, ...]:
    ack = requests.Ack(rid(), room, seq, ((seq, verdict),))
    outcome = device.do(verdicts.ack, ack)
    assert outcome.reply == replies.Ok(ack.rid)
    return outcome.events


def tally(device: Device, room: bytes, seq: int) -> tuple[int, int, bool]:
    found = device.do(verdicts.get_tally, requests.GetTally(rid(), room, seq)).reply
    assert isinstance(found, replies.TallyFound)
    return found.accepted, found.refused, found.undone


def members(world: World, room: bytes) -> set[str]:
    def job(connection: Any) -> set[str]:
        found = conversation_rows.find(connection, room)
        assert found is not None
        return {each.account for each in conversation_rows.current_members(connection, found.id)}

    found = world.run(job)
    assert isinstance(found, set)
    return found


def test_votes_are_counted_once_and_not_the_committers(any_world: World) -> None:
    (alice, bob, carol, *_), room = group_of(any_world, 4)
    bob.send_commit(room, bob.commit(room))
    assert vote(bob, room, 2, Verdict.ACCEPTED) == ()
    (first,) = told(vote(alice, room, 2, Verdict.ACCEPTED), Tally)
    assert first == Tally(room, 2, 1, 0, undone=False)
    assert vote(alice, room, 2, Verdict.REFUSED) == ()
    assert vote(carol, room, 2, Verdict.UNUSABLE) == ()
    assert tally(alice, room, 2) == (1, 0, False)


def test_most_refuse_and_the_newcomer_vanishes(any_world: World) -> None:
    (alice, bob, carol), room = group_of(any_world, 3)
    dave = any_world.account("Dave")
    dave.join(room)
    assert told(vote(alice, room, 2, Verdict.REFUSED), Undone) == []
    assert members(any_world, room) == {"alice", "bob", "carol", "dave"}
    events = vote(bob, room, 2, Verdict.REFUSED)
    assert told(events, Undone) == [Undone(room, 2)]
    assert told(events, Tally) == [Tally(room, 2, 0, 2, undone=True)]
    assert members(any_world, room) == {"alice", "bob", "carol"}
    assert code_of(lambda: dave.say(room)) == "forbidden"
    assert code_of(lambda: dave.fetch(room)) == "forbidden"
    assert tally(dave, room, 2) == (0, 2, True)
    for device in (alice, carol):
        device.heads[room] = 2  # refused: skipped, and stood on
    info = alice.join_info(room)
    assert (info.commit_seq, info.stands_on) == (1, 2)
    outcome = alice.send_commit(room, alice.commit(room))
    assert isinstance(outcome.reply, replies.Accepted)
    assert isinstance(alice.say(room, b"on").reply, replies.Accepted)


def test_one_cannot_undo_alone_what_others_may_accept(world: World) -> None:
    (alice, bob, carol, dave, _), room = group_of(world, 5)
    bob.send_commit(room, bob.commit(room))
    assert told(vote(dave, room, 2, Verdict.REFUSED), Tally) == [Tally(room, 2, 0, 1, undone=False)]
    assert world.run(lambda c: verdicts.settle(c, world.context)).events == ()
    vote(alice, room, 2, Verdict.ACCEPTED)
    vote(carol, room, 2, Verdict.ACCEPTED)
    world.clock.ms += 10 * verdicts.GRACE_MS
    assert world.run(lambda c: verdicts.settle(c, world.context)).events == ()
    assert tally(bob, room, 2) == (2, 1, False)


def test_those_who_answer_decide_after_a_grace(world: World) -> None:
    (_, bob, _, dave, _), room = group_of(world, 5)
    bob.send_commit(room, bob.commit(room))
    vote(dave, room, 2, Verdict.REFUSED)
    world.clock.ms += verdicts.GRACE_MS + 1
    events = world.run(lambda c: verdicts.settle(c, world.context)).events
    assert told(events, Undone) == [Undone(room, 2)]
    assert tally(bob, room, 2) == (0, 1, True)
    assert world.run(lambda c: verdicts.settle(c, world.context)).events == ()


def test_what_stands_on_it_is_undone_with_it(world: World) -> None:
    (alice, bob, carol), room = group_of(world, 3)
    dave, erin = world.account("Dave"), world.account("Erin")
    dave.join(room)
    erin.join(room)
    vote(alice, room, 2, Verdict.REFUSED)
    events = vote(carol, room, 2, Verdict.REFUSED)
    assert told(events, Undone) == [Undone(room, 2), Undone(room, 3)]
    assert members(world, room) == {"alice", "bob", "carol"}
    assert bob.join_info(room).commit_seq == 1


def test_whoever_was_removed_votes_and_comes_back(any_world: World) -> None:
    (alice, bob, carol), room = group_of(any_world, 3)
    carol.do(append.append, carol.message(room))
    request, _ = alice.commit(room, [alice.remove_of(room, bob)])
    assert isinstance(alice.do(append.append, request).reply, replies.Accepted)
    assert code_of(lambda: bob.say(room)) == "removed"
    assert [entry.seq for entry in bob.fetch(room).entries] == [1, 2, 3]
    vote(bob, room, 3, Verdict.REFUSED)
    events = vote(carol, room, 3, Verdict.REFUSED)
    assert told(events, Undone) == [Undone(room, 3)]
    assert members(any_world, room) == {"alice", "bob", "carol"}
    bob.heads[room] = 3
    bob.cursors[room] = 3
    assert isinstance(bob.say(room).reply, replies.Accepted)


def test_a_commit_may_stand_beside_one_that_it_refuses(any_world: World) -> None:
    (alice, bob, carol), room = group_of(any_world, 3)
    dave = any_world.account("Dave")
    dave.join(room)
    alice.heads[room] = 2  # Alice refused it: her epoch is the one before
    outcome = alice.send_commit(room, alice.commit(room))
    assert outcome.reply == replies.Accepted(((outcome.reply.answers[0][0], 3),))  # type: ignore[union-attr]
    vote(alice, room, 2, Verdict.REFUSED)
    vote(bob, room, 2, Verdict.REFUSED)
    assert members(any_world, room) == {"alice", "bob", "carol"}
    assert carol.join_info(room).commit_seq == 3


def test_a_removal_that_was_undone_is_asked_for_again(any_world: World) -> None:
    (alice, bob, carol), room = group_of(any_world, 3)
    order = bob.order(OrderKind.LEAVE, conversation=room)
    bob.do(leaving.leave, requests.Leave(rid(), room, order))
    for device in (alice, carol):
        device.catch_up(room)
    alice.send_commit(room, alice.commit(room))
    vote(carol, room, 3, Verdict.REFUSED)
    events = vote(bob, room, 3, Verdict.REFUSED)
    assert told(events, Undone) == [Undone(room, 3)]
    (ask,) = [event for event in events if isinstance(event, AskCommit)]
    assert (ask.stands_on, set(ask.candidates)) == (3, {alice.id, carol.id})
    assert stored(events) == []  # Carol, who refused, has the Remove still
    assert len(carol.groups[room].pending_proposals) == 1
    carol.heads[room], carol.cursors[room] = 3, 3
    assert isinstance(carol.send_commit(room, carol.commit(room)).reply, replies.Accepted)
    assert members(any_world, room) == {"alice", "carol"}


def test_a_removal_first_asked_for_on_an_undone_commit_is_issued_again(any_world: World) -> None:
    (alice, bob, carol), room = group_of(any_world, 3)
    any_world.account("Dave").join(room)
    order = bob.order(OrderKind.LEAVE, conversation=room)
    bob.do(leaving.leave, requests.Leave(rid(), room, order))
    vote(alice, room, 2, Verdict.REFUSED)
    events = vote(carol, room, 2, Verdict.REFUSED)
    (again,) = stored(events)
    assert [entry.seq for entry in again.entries] == [4]
    for device in (alice, carol):
        device.cursors[room] = 3
        device.catch_up(room)
    assert isinstance(alice.send_commit(room, alice.commit(room)).reply, replies.Accepted)
    assert members(any_world, room) == {"alice", "carol"}


def test_undoing_does_not_bring_the_banned_back(world: World) -> None:
    from relay import admin
    from wire.requests import Act

    (alice, bob, carol), room = group_of(world, 3)
    alice.do(append.append, alice.commit(room, [alice.remove_of(room, bob)])[0])
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.BAN, "bob"))
    vote(carol, room, 2, Verdict.REFUSED)
    events = vote(bob, room, 2, Verdict.REFUSED)
    assert any(isinstance(event, AskCommit) for event in events)
    carol.heads[room] = 2
    blocked = carol.do(append.append, carol.message(room)).reply
    assert blocked == replies.Conflict(blocked.rid, 3, removal=True)  # type: ignore[union-attr]


@pytest.mark.parametrize("seq", [0, 1, 99])
def test_only_commits_of_others_while_a_member_are_judged(world: World, seq: int) -> None:
    (alice, bob), room = group_of(world, 2)
    assert vote(bob, room, seq, Verdict.REFUSED) == ()  # the founding, his own coming, nothing
    assert members(world, room) == {"alice", "bob"}
    assert alice.join_info(room).commit_seq == 1


def test_strangers_neither_vote_nor_ask(world: World) -> None:
    (alice, _), room = group_of(world, 2)
    eve = world.account("Eve")
    ack = requests.Ack(rid(), room, 1, ((1, Verdict.REFUSED),))
    assert code_of(lambda: eve.do(verdicts.ack, ack)) == "forbidden"
    ask = requests.GetTally(rid(), room, 1)
    assert code_of(lambda: eve.do(verdicts.get_tally, ask)) == "forbidden"
    assert code_of(lambda: alice.do(verdicts.get_tally, requests.GetTally(rid(), room, 9))) == (
        "bad_request"
    )


def test_a_plain_acknowledgement_is_written_later(world: World) -> None:
    (alice, bob), room = group_of(world, 2)
    alice.say(room)
    bob.do(verdicts.ack, requests.Ack(rid(), room, 2))
    bob.do(verdicts.ack, requests.Ack(rid(), bytes(16), 2))
    shown = bob.do(history.heads, requests.Heads(rid())).reply
    assert isinstance(shown, replies.HeadList)
    assert [head.cursor for head in shown.heads] == [2]
    world.run(lambda c: history.write_cursors(c, world.context))
    assert world.context.acks.take() == {}
    shown = bob.do(history.heads, requests.Heads(rid())).reply
    assert isinstance(shown, replies.HeadList)
    assert [head.cursor for head in shown.heads] == [2]


def test_a_cursor_never_goes_back_nor_beyond_the_end(world: World) -> None:
    (alice, bob), room = group_of(world, 2)
    alice.say(room)
    for seq in (2, 1, 50):
        bob.do(verdicts.ack, requests.Ack(rid(), room, seq))
        world.run(lambda c: history.write_cursors(c, world.context))
    shown = bob.do(history.heads, requests.Heads(rid())).reply
    assert isinstance(shown, replies.HeadList)
    assert [head.cursor for head in shown.heads] == [2]
