"""Commits that stand beside others: what undoing the one leaves of what the other did."""

from __future__ import annotations

from relay import leaving
from relay.outcome import AskCommit
from tests.relay.actors import Device, World
from tests.relay.test_verdicts import members, vote
from tests.relay.worlds import rid, stored
from wire import replies, requests
from wire.entry import OrderKind
from wire.requests import Verdict


def revoke(device: Device, other: Device) -> None:
    order = device.order(OrderKind.REVOKE, other, device=other.id)
    device.do(leaving.revoke_device, requests.RevokeDevice(rid(), other.id, order))


def accepted(device: Device, lobby: bytes, pair: object) -> int:
    answer = device.send_commit(lobby, pair).reply  # type: ignore[arg-type]
    assert isinstance(answer, replies.Accepted)
    return answer.answers[0][1]


def test_a71_undoing_a_second_removal_of_a_leaf_does_not_bring_it_back(any_world: World) -> None:
    """Else anybody blocks the lobby: its Remove names a leaf that no group has."""
    alice, mallory = any_world.account("Alice"), any_world.account("Mallory")
    lobby = alice.lobby()
    mallory.join(lobby)
    second = mallory.sibling()
    second.join(lobby)
    alice.catch_up(lobby)
    mallory.catch_up(lobby)
    revoke(mallory, second)
    alice.catch_up(lobby)
    gone = accepted(alice, lobby, alice.commit(lobby))
    # Mallory commits in the epoch before, once more, what was done there.
    mallory.heads[lobby] = gone
    fork = mallory.commit(lobby, [mallory.remove_of(lobby, second)])
    seq = accepted(mallory, lobby, fork)
    assert second.fetch(lobby).last_seq == gone  # and it reads no further than it could
    events = vote(alice, lobby, seq, Verdict.REFUSED)
    assert not [each for each in events if isinstance(each, AskCommit)]
    alice.heads[lobby] = seq
    said = alice.say(lobby)
    assert isinstance(said.reply, replies.Accepted)
    assert set(stored(said.events)[0].readers) == {alice.id, mallory.id}


def test_a_removal_that_two_commits_made_stays_while_one_of_them_does(any_world: World) -> None:
    alice, bob, carol, dave = (any_world.account(n) for n in ("Alice", "Bob", "Carol", "Dave"))
    room = alice.room()
    alice.add(room, bob, carol, dave)
    other = alice.sibling()
    other.join(room)
    for device in (alice, bob, carol, dave):
        device.catch_up(room)
    first = accepted(alice, room, alice.commit(room, [alice.remove_of(room, dave)]))
    other.heads[room] = first
    second = accepted(other, room, other.commit(room, [other.remove_of(room, dave)]))
    for device in (bob, carol, other):
        vote(device, room, first, Verdict.REFUSED)
    assert members(any_world, room) == {"alice", "bob", "carol"}
    for device in (bob, carol, dave):
        vote(device, room, second, Verdict.REFUSED)
    assert members(any_world, room) == {"alice", "bob", "carol", "dave"}


def test_whom_two_commits_added_hears_everything_once(world: World) -> None:
    alice, bob, carol = (world.account(n) for n in ("Alice", "Bob", "Carol"))
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    carol.publish(2)
    first = accepted(alice, room, alice.commit(room, alice.adds_of("carol")))
    bob.heads[room] = first
    accepted(bob, room, bob.commit(room, bob.adds_of("carol")))
    bob_says = stored(bob.say(room).events)[0]
    assert sorted(bob_says.readers) == sorted({alice.id, bob.id, carol.id})
