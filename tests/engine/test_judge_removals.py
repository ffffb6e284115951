"""The rules over removals, locks, and what the relay may propose: who breaks them is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_fields

from crypto.ed25519 import SigningKey
from crypto.mls.proposals import (
    GroupContextExtensions,
    ReInit,
    Remove,
    encode_proposal,
    external_psk,
)
from engine.group_policy import closed
from engine.orders import sign_order
from tests.engine.table import (
    ALICE,
    BOB,
    CAROL,
    GROUP_ID,
    MALLORY,
    PSK_ID,
    RELAY,
    SUITE,
    Person,
    Seat,
    go_on,
    package,
    raw_extensions,
    refused,
    room,
    seated,
)
from wire.entry import EntryData, Order, OrderKind, RemovalData, encode_data
from wire.policy import JoinRule, RoomLock


def test_a16_j_14_a_waiting_remove_is_committed_first() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    table.remove(carol.place)
    alice.say("nobody reads this before the Remove is committed")
    assert bob.unread[-1] == carol.unread[-1] == "removal_pending"
    alice.commit(include_pending=False)
    refused("J-14", bob, carol)
    bob.commit()
    assert alice.verdict == "accepted"
    assert carol.value.group is None
    assert {place.account for place in alice.standing.roster} == {"alice", "bob"}


@pytest.mark.parametrize("kind", ["add", "update", "psk", "reinit", "extensions", "unknown"])
def test_a15_j_15_the_relay_proposes_nothing_but_removes(kind: str) -> None:
    table, alice, bob, carol = seated(room(ALICE))
    body = {
        "add": lambda: encode_proposal(package(MALLORY.device())),
        "update": lambda: b"\x00\x02" + bob.group.tree.leaf(bob.place.leaf).encoded,  # type: ignore[union-attr]
        "psk": lambda: encode_proposal(external_psk(SUITE, PSK_ID)),
        "reinit": lambda: encode_proposal(ReInit(b"new", 1, 1, ())),
        "extensions": lambda: encode_proposal(GroupContextExtensions(raw_extensions(room(BOB)))),
        "unknown": lambda: b"\xf0\x00\x00",
    }[kind]()
    data = RemovalData("bob", bob.keys.device, bob.place.key_hash)
    table.post(table.external(body, encode_data(data)))
    for seat in (alice, bob, carol):
        assert len(seat.unread) == 1
        assert not seat.standing.waiting
        assert not seat.group.pending_proposals
    go_on(alice, bob, carol)


def test_a15_j_15_only_the_pinned_relay_may_ask() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    evil = SigningKey.from_seed(b"e" * 32)
    data = RemovalData("bob", bob.keys.device, bob.place.key_hash)
    remove = encode_proposal(Remove(bob.place.leaf))
    table.post(table.external(remove, encode_data(data), signer=evil))
    table.post(table.external(remove, b"", signer=RELAY))
    table.post(table.external(remove, encode_data(data), epoch=0))
    assert all(not seat.standing.waiting for seat in (alice, bob, carol))
    go_on(alice, bob, carol)


def test_j_15_members_propose_nothing() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    data = encode_data(EntryData(bob.value.stands_on, table.number()))
    group, message = bob.group.propose(
        Remove(carol.place.leaf), signer=bob.keys.signer, authenticated_data=data
    )
    bob.value = replace(bob.value, group=group)
    table.post(message, by=bob)
    assert alice.unread[-1] == carol.unread[-1] == "J-15"
    assert not alice.group.pending_proposals


def test_j_17_removing_somebody_closes_a_password_room() -> None:
    policy = room(ALICE, JoinRule.PASSWORD)
    _, alice, bob, carol = seated(policy, psk=True)
    alice.commit([Remove(carol.place.leaf)])
    refused("J-17", bob, carol)
    more = with_fields(closed(policy), admins=(BOB.root.identity,))
    alice.commit([Remove(carol.place.leaf)], policy=more)
    refused("J-17", bob, carol)
    alice.commit([Remove(carol.place.leaf)], policy=closed(policy))
    assert bob.verdict == "accepted"
    assert bob.standing.policy.lock == RoomLock(PSK_ID, policy.lock.salt, True)  # type: ignore[union-attr]


def _order(person: Person, seat: Seat, kind: OrderKind, signer: Seat) -> Order:
    bare = Order(
        kind,
        person.account,
        person.root.identity,
        b"" if kind is OrderKind.LEAVE else seat.keys.device,
        GROUP_ID if kind is OrderKind.LEAVE else b"",
        "",
        1,
    )
    return sign_order(bare, signer=signer.keys.signer, chain=signer.keys.chain)


def test_j_17_who_leaves_by_his_own_wish_closes_nothing() -> None:
    table, alice, bob, carol = seated(room(ALICE, JoinRule.PASSWORD), psk=True)
    table.remove(carol.place, order=_order(CAROL, carol, OrderKind.LEAVE, carol))
    bob.commit()
    assert alice.verdict == "accepted"
    assert alice.standing.policy.lock is not None
    assert not alice.standing.policy.lock.closed
    told = [line for line in alice.steps[-1].lines if line.kind == "membership"]
    assert [(line.sender, line.text) for line in told] == [("carol", "left")]


def test_j_17_a_wish_signed_by_another_counts_for_nothing() -> None:
    table, alice, bob, carol = seated(room(ALICE, JoinRule.PASSWORD), psk=True)
    table.remove(carol.place, order=_order(CAROL, carol, OrderKind.LEAVE, bob))
    bob.commit()
    refused("J-17", alice, carol)
    bob.commit(policy=closed(alice.standing.policy))
    assert alice.verdict == "accepted"
    assert "relay" in str(alice.steps[-1].events)


def test_j_22_a_new_lock_is_new_and_open() -> None:
    policy = room(ALICE, JoinRule.PASSWORD)
    _, alice, bob, carol = seated(policy, psk=True)
    alice.commit(policy=with_fields(policy, lock=RoomLock(PSK_ID, b"t" * 16)))
    refused("J-22", bob, carol)
    alice.commit(policy=with_fields(policy, lock=RoomLock(b"n" * 16, b"t" * 16, True)))
    refused("J-22", bob, carol)
    alice.commit(policy=with_fields(policy, lock=RoomLock(b"n" * 16, b"t" * 16)))
    assert bob.verdict == carol.verdict == "accepted"


def test_j_23_a_remove_names_the_key_of_its_leaf() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    table.remove(carol.place, key_hash=b"x" * 32)
    assert alice.unread[-1] == "J-23"
    table.remove(replace(carol.place, device=b"y" * 16))
    assert alice.unread[-1] == "J-23"
    assert not alice.standing.waiting
    go_on(alice, bob, carol)
    table.remove(carol.place)
    table.remove(carol.place)
    assert alice.unread[-1] == bob.unread[-1] == "J-23" or len(alice.standing.waiting) == 1
    assert len(alice.standing.waiting) == 1
