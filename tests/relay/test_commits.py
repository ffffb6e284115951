"""Commits: standing, declared effects, what they bring, roles, and joining from outside."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from crypto.mls.proposals import GroupContextExtensions
from crypto.mls.welcome import decode_group_info, encode_group_info
from relay import admin, append, conversations
from relay.outcome import WelcomeStored
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, group_extensions, replace_struct, rid, stored, told
from wire import replies, requests
from wire.entry import Effect, EffectKind
from wire.errors import WireError
from wire.policy import JoinRule, Kind, Policy, RoomLock
from wire.pushes import ConversationChanged
from wire.requests import Act
from wire.suites import CLASSICAL

PSK_ID = b"p" * 16


def three(world: World) -> tuple[Device, Device, Device, bytes]:
    """Alice's open room with Bob in it, and Carol outside."""
    alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    return alice, bob, carol, room


def with_effects(device: Device, room: bytes, change: Any, proposals: Any = ()) -> requests.Append:
    """A commit whose declared effects `change` makes of the true ones."""
    true, _ = device.commit(room, proposals)
    from relay.headers import read_header

    effects = read_header(true.message, room).data.effects
    request, _ = device.commit(room, proposals, effects=change(effects))
    return request


def test_what_a_commit_brings_is_stored_with_it(any_world: World) -> None:
    alice, bob, carol, room = three(any_world)
    outcome = alice.add(room, carol)
    (welcomed,) = [event for event in outcome.events if isinstance(event, WelcomeStored)]
    assert (welcomed.device, welcomed.entry.commit_seq) == (carol.id, 2)
    (event,) = stored(outcome.events)
    assert set(event.readers) == {alice.id, bob.id}
    assert told(outcome.events, ConversationChanged) == [ConversationChanged(room)]
    bob.catch_up(room)
    carol.say(room, b"hello")
    assert bob.catch_up(room) == [b"hello"]
    assert bob.join_info(room).commit_seq == 2


def test_a20_a_conversation_keeps_its_suite(world: World) -> None:
    alice, _, _, room = three(world)
    request, own = alice.commit(room)
    assert request.commit is not None
    info = decode_group_info(request.commit.group_info)
    for suite in (CLASSICAL, 2):
        other = replace(info, group_context=replace(info.group_context, suite=suite))
        parts = structs.replace(request.commit, group_info=encode_group_info(other))
        weaker = structs.replace(request, commit=parts)
        with pytest.raises(WireError, match="cipher suite"):
            alice.do(append.append, weaker)
    assert isinstance(alice.send_commit(room, (request, own)).reply, replies.Accepted)


def test_a35_a_commit_that_adds_brings_its_welcome(world: World) -> None:
    alice, _, carol, room = three(world)
    carol.publish()
    request, own = alice.commit(room, alice.adds_of("carol"))
    assert request.commit is not None
    bare = structs.replace(request.commit, welcome=None)
    without = structs.replace(request, commit=bare)
    assert code_of(lambda: alice.do(append.append, without)) == "bad_request"
    for welcome in (b"junk", own.group_info):
        junk = structs.replace(request.commit, welcome=welcome)
        again = structs.replace(request, commit=junk)
        assert code_of(lambda r=again: alice.do(append.append, r)) == "bad_request"
    assert carol.fetch_inbox() == ()
    assert isinstance(alice.send_commit(room, (request, own)).reply, replies.Accepted)
    assert len(carol.fetch_inbox()) == 1


def test_a_welcome_for_nobody_is_refused(world: World) -> None:
    alice, _, carol, room = three(world)
    carol.publish()
    adding, _ = alice.commit(room, alice.adds_of("carol"))
    assert adding.commit is not None
    plain, _ = alice.commit(room)
    assert plain.commit is not None
    parts = structs.replace(plain.commit, welcome=adding.commit.welcome)
    request = structs.replace(plain, commit=parts)
    assert code_of(lambda: alice.do(append.append, request)) == "bad_request"


def test_a01_what_is_declared_must_fit_who_is_there(world: World) -> None:
    alice, bob, carol, room = three(world)
    carol.publish()
    adds = alice.adds_of("carol")
    key = bytes(32)

    def foreign(effects: tuple[Effect, ...]) -> tuple[Effect, ...]:
        return tuple(structs.replace(e, account="bob") for e in effects)

    changes = [
        foreign,
        lambda effects: tuple(structs.replace(e, key_hash=key) for e in effects),
        lambda effects: tuple(structs.replace(e, device=os.urandom(16)) for e in effects),
        lambda effects: tuple(structs.replace(e, leaf=0) for e in effects),
        lambda effects: tuple(structs.replace(e, leaf=1 << 30) for e in effects),
        lambda effects: (*effects, *effects),
        lambda effects: (*effects, Effect(EffectKind.REMOVED, "bob", bob.id, 5, key)),
        lambda effects: (*effects, Effect(EffectKind.REMOVED, "bob", bob.id, 1, key)),
        lambda effects: (*effects, Effect(EffectKind.REMOVED, "alice", alice.id, 1, key)),
    ]
    for change in changes:
        request = with_effects(alice, room, change, adds)
        assert code_of(lambda r=request: alice.do(append.append, r)) == "bad_request"
    member = Effect(EffectKind.ADDED, "bob", bob.id, 2, _key_hash(bob))
    request = with_effects(alice, room, lambda effects: (member,), adds)
    assert code_of(lambda: alice.do(append.append, request)) == "already_member"
    assert [e.seq for e in bob.fetch(room).entries] == [1]


def test_a01_an_undeclared_add_gets_no_door(world: World) -> None:
    alice, _, carol, room = three(world)
    carol.publish()
    request = with_effects(alice, room, lambda effects: (), alice.adds_of("carol"))
    assert code_of(lambda: alice.do(append.append, request)) == "bad_request"  # its Welcome
    assert code_of(lambda: carol.fetch(room)) == "forbidden"


def _key_hash(device: Device) -> bytes:
    from hashlib import sha256

    return sha256(device.signer.public).digest()


def test_nobody_commits_his_own_removal(world: World) -> None:
    alice, _, _, room = three(world)
    own = Effect(EffectKind.REMOVED, "alice", alice.id, 0, _key_hash(alice))
    request, _ = alice.commit(room, effects=(own,))
    assert code_of(lambda: alice.do(append.append, request)) == "bad_request"


def test_a_commit_stands_on_the_newest(any_world: World) -> None:
    alice, bob, _, room = three(any_world)
    mine, his = alice.commit(room), bob.commit(room)
    assert isinstance(alice.send_commit(room, mine).reply, replies.Accepted)
    lost = bob.do(append.append, his[0]).reply
    assert lost == replies.Conflict(his[0].rid, 2, removal=False)
    ahead, _ = alice.commit(room, stands_on=9)
    assert isinstance(alice.do(append.append, ahead).reply, replies.Conflict)


class TestParts:
    def refused(self, world: World, change: Any) -> None:
        alice, _, _, room = three(world)
        request, _ = alice.commit(room)
        parts = change(request.commit)
        bad = structs.replace(request, commit=parts)
        assert code_of(lambda: alice.do(append.append, bad)) == "bad_request"
        assert isinstance(alice.do(append.append, request).reply, replies.Accepted)

    def test_there_must_be_some(self, world: World) -> None:
        self.refused(world, lambda parts: None)

    def test_the_group_info_parses(self, world: World) -> None:
        self.refused(world, lambda parts: structs.replace(parts, group_info=b"junk"))

    def test_the_tree_is_complete(self, world: World) -> None:
        self.refused(world, lambda parts: structs.replace(parts, nodes=parts.nodes[1:]))
        # without its root

    def test_a_child_is_not_missing(self, world: World) -> None:
        self.refused(world, lambda parts: structs.replace(parts, nodes=parts.nodes[:-1]))

    def test_every_node_belongs_to_it(self, world: World) -> None:
        self.refused(world, lambda parts: structs.replace(parts, nodes=(*parts.nodes, b"\1junk")))

    def test_every_node_parses(self, world: World) -> None:
        self.refused(world, lambda parts: structs.replace(parts, nodes=(b"",)))

    def test_the_group_info_is_of_the_new_epoch(self, world: World) -> None:
        alice, _, _, room = three(world)
        old = alice.groups[room].signed_group_info(alice.signer)
        request, _ = alice.commit(room)
        assert request.commit is not None
        bad = structs.replace(request, commit=structs.replace(request.commit, group_info=old))
        assert code_of(lambda: alice.do(append.append, bad)) == "bad_request"

    def test_the_group_info_is_of_this_group(self, world: World) -> None:
        alice, _, _, room = three(world)
        other = alice.room("other")
        foreign, _ = alice.commit(other)
        request, _ = alice.commit(room)
        bad = structs.replace(request, commit=foreign.commit)
        assert code_of(lambda: alice.do(append.append, bad)) == "bad_request"


class TestExternal:
    def test_a_device_joins_and_rejoins_as_itself(self, any_world: World) -> None:
        alice, bob, _, room = three(any_world)
        bob.say(room, b"one")
        leaf = alice.leaf_of(room, bob)
        again = bob.join(room, remove_leaf=leaf)
        assert isinstance(again.reply, replies.Accepted)
        assert alice.catch_up(room) == [b"one"]
        bob.say(room, b"two")
        assert alice.catch_up(room) == [b"two"]
        assert [e.seq for e in bob.fetch(room).entries] == [1, 2, 3, 4]

    def test_a29_nobody_elses_leaf_is_given_up(self, world: World) -> None:
        alice, bob, carol, room = three(world)
        leaf = alice.leaf_of(room, bob)
        whole, _ = carol.external(room, remove_leaf=leaf)
        assert code_of(lambda: carol.do(append.append, whole)) == "forbidden"
        added = Effect(EffectKind.ADDED, "carol", carol.id, leaf, _key_hash(carol))
        hidden, _ = carol.external(room, remove_leaf=leaf, effects=(added,))
        assert code_of(lambda: carol.do(append.append, hidden)) == "bad_request"
        own = Effect(EffectKind.REMOVED, "bob", bob.id, 1, _key_hash(bob))
        added = Effect(EffectKind.ADDED, "carol", carol.id, 2, _key_hash(carol))
        request, _ = carol.external(room, effects=(added, own))
        assert code_of(lambda: carol.do(append.append, request)) in ("bad_request", "forbidden")

    @pytest.mark.parametrize("effects", ["none", "another", "two"])
    def test_it_declares_its_own_device(self, world: World, effects: str) -> None:
        alice, bob, carol, room = three(world)
        dave = world.account("Dave")
        own = Effect(EffectKind.ADDED, "carol", carol.id, 2, _key_hash(carol))
        other = Effect(EffectKind.ADDED, "dave", dave.id, 3, _key_hash(dave))
        declared = {"none": (), "another": (other,), "two": (own, other)}[effects]
        request, _ = carol.external(room, effects=declared)
        assert code_of(lambda: carol.do(append.append, request)) == "bad_request"
        assert alice.catch_up(room) == bob.catch_up(room) == []

    def test_its_leaf_has_the_devices_key(self, world: World) -> None:
        _, _, carol, room = three(world)
        phone = carol.sibling()
        request, _ = phone.external(room)
        assert code_of(lambda: carol.do(append.append, request)) == "bad_request"

    def test_it_changes_no_rules_and_needs_its_parts(self, world: World) -> None:
        _, _, carol, room = three(world)
        request, _ = carol.external(room)
        bare = structs.replace(request, commit=None)
        assert code_of(lambda: carol.do(append.append, bare)) == "bad_request"

    def test_an_invite_room_takes_only_its_accounts_devices(self, world: World) -> None:
        alice, bob = world.account("Alice"), world.account("Bob")
        room = alice.room("den", JoinRule.INVITE)
        assert code_of(lambda: bob.join(room)) == "forbidden"
        phone = alice.sibling()
        assert isinstance(phone.join(room).reply, replies.Accepted)

    def test_a_direct_conversation_takes_only_its_two(self, world: World) -> None:
        alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
        direct = alice.direct(bob)
        assert code_of(lambda: carol.join(direct)) == "no_such_room"
        assert isinstance(bob.join(direct).reply, replies.Accepted)
        assert isinstance(alice.sibling().join(direct).reply, replies.Accepted)

    def test_a_password_room_asks_for_the_present_psk(self, world: World) -> None:
        alice, bob = world.account("Alice"), world.account("Bob")
        lock = RoomLock(PSK_ID, bytes(16))
        room = alice.room("den", JoinRule.PASSWORD, lock=lock)
        psk = {PSK_ID: bytes(32)}
        assert code_of(lambda: bob.join(room)) == "wrong_room_password"
        old = {b"o" * 16: bytes(32)}
        assert code_of(lambda: bob.join(room, psks=old)) == "wrong_room_password"
        assert isinstance(bob.join(room, psks=psk).reply, replies.Accepted)
        phone = bob.sibling()
        assert code_of(lambda: phone.join(room)) == "wrong_room_password"

    def test_a_removal_closes_a_password_room(self, world: World) -> None:
        alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
        lock = RoomLock(PSK_ID, bytes(16))
        room = alice.room("den", JoinRule.PASSWORD, lock=lock, admins=(bob.root.identity,))
        alice.add(room, bob, carol)
        bob.catch_up(room)
        owners, admins = (alice.root.identity,), (bob.root.identity,)
        closed = structs.replace(lock, closed=True)
        policy = Policy(1, Kind.ROOM, "den", JoinRule.PASSWORD, owners, admins, closed)
        extensions = GroupContextExtensions(group_extensions(world, policy))
        other = Policy(1, Kind.ROOM, "den", JoinRule.OPEN, owners, admins)
        opening = GroupContextExtensions(group_extensions(world, other))
        remove = bob.remove_of(room, carol)
        request, _ = bob.commit(room, [remove, opening])
        assert code_of(lambda: bob.do(append.append, request)) == "forbidden"
        pair = bob.commit(room, [remove, extensions])
        assert isinstance(bob.send_commit(room, pair).reply, replies.Accepted)
        assert code_of(lambda: carol.join_info(room)) == "forbidden"
        (found,) = carol.do(_list_rooms(), requests.ListRooms(rid())).reply.rooms  # type: ignore[union-attr]
        assert found.closed

    def test_the_banned_do_not_come_in(self, world: World) -> None:
        alice, _, carol, room = three(world)
        carol.publish()
        request, _ = alice.commit(room, alice.adds_of("carol"))
        world.run(lambda c: admin.act_as_operator(c, world.context, Act.BAN, "carol"))
        assert code_of(lambda: alice.do(append.append, request)) == "banned"
        outside, _ = carol.external(room)
        assert code_of(lambda: carol.do(append.append, outside)) == "banned"


def _list_rooms() -> Any:
    from relay import directory

    return directory.list_rooms


def test_walks_are_for_those_who_may_join(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room("den", JoinRule.INVITE)
    ask = requests.GetNodes(rid(), room, (bytes(32),))
    assert code_of(lambda: bob.do(conversations.get_nodes, ask)) == "forbidden"
    assert alice.do(conversations.get_nodes, ask).reply == replies.NodesFound(ask.rid, ())
    unknown = replace_struct(ask, {"conversation": bytes(16)})
    assert code_of(lambda: bob.do(conversations.get_nodes, unknown)) == "no_such_room"
