"""Founding: names, pairs, the lobby, races; and what joiners are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection

from crypto.mls.suite import SUITES as MLS_SUITES
from crypto.mls.welcome import decode_group_info, encode_group_info
from relay import conversations
from relay.context import Limits
from relay.worker import run_batch
from storage.relay import conversation_rows
from tests.relay.actors import Device, World
from tests.relay.databases import empty_database
from tests.relay.worlds import code_of, rid
from wire import replies, requests
from wire.errors import WireError
from wire.policy import LOBBY_POLICY, JoinRule, Kind, Policy
from wire.suites import SUITES


def room_policy(device: Device, name: str = "room", **changes: Any) -> Policy:
    values: dict[str, Any] = {"join": JoinRule.OPEN, "owners": (device.root.identity,)}
    return Policy(1, Kind.ROOM, name, **(values | changes))


def test_repeating_it_returns_the_first_answer(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    request, _ = alice.founding(room_policy(alice))
    for _ in range(2):
        reply = alice.do(conversations.create, request).reply
        assert reply == replies.Created(request.rid, request.conversation)
    assert code_of(lambda: bob.do(conversations.create, request)) == "bad_request"


@pytest.mark.parametrize("suite", SUITES)
def test_a_room_is_of_the_suite_of_its_group(any_world: World, suite: int) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room = alice.found(room_policy(alice), suite=suite)
    row = any_world.run(lambda c: conversation_rows.find(c, room))
    assert row is not None
    assert row.suite == suite
    bob.join(room)
    alice.catch_up(room)
    alice.say(room, b"roses")
    assert bob.catch_up(room) == [b"roses"]


@pytest.mark.parametrize("suite", sorted(set(MLS_SUITES) - set(SUITES)))
def test_a_group_in_another_suite_is_not_kept(world: World, suite: int) -> None:
    alice = world.account("Alice")
    request, _ = alice.founding(room_policy(alice))
    info = decode_group_info(request.group_info)
    other = replace(info, group_context=replace(info.group_context, suite=suite))
    request = structs.replace(request, group_info=encode_group_info(other))
    with pytest.raises(WireError, match="cipher suite"):
        alice.do(conversations.create, request)


def test_who_comes_second_is_told_which_exists(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room = alice.room("Garden")
    direct, lobby = alice.direct(bob), alice.lobby()
    roots = tuple(sorted((alice.root.identity, bob.root.identity)))
    pair = Policy(1, Kind.DIRECT, "", JoinRule.INVITE, roots)
    for policy, existing in (
        (room_policy(bob, "gARDEN"), room),
        (pair, direct),
        (LOBBY_POLICY, lobby),
    ):
        request, _ = bob.founding(policy)
        with pytest.raises(WireError) as caught:
            bob.do(conversations.create, request)
        assert caught.value.code.value == "room_exists"
        assert caught.value.data == {"conversation": existing.hex()}


def test_a71_a_race_has_one_winner(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    jobs = []
    for device in (alice, bob, alice):
        request, _ = device.founding(LOBBY_POLICY)

        def job(c: Connection, device: Device = device, request: Any = request) -> Any:
            return conversations.create(c, any_world.context, device.who, request)

        jobs.append(job)
    results = run_batch(any_world.database.write, jobs)
    codes = [getattr(result, "code", "won") for result in results]
    assert codes == ["won", "room_exists", "room_exists"]


@pytest.mark.parametrize(
    ("name", "code"), [("lobby", "bad_name"), ("x", "bad_name"), ("a b", "bad_name")]
)
def test_a_rooms_name_keeps_the_rules(world: World, name: str, code: str) -> None:
    alice = world.account("Alice")
    request, _ = alice.founding(room_policy(alice, name))
    assert code_of(lambda: alice.do(conversations.create, request)) == code


@pytest.mark.parametrize("hostile", ["../../etc", "..", "a/b", "a\\b", "con\0", "%2e%2e", "a'--"])
def test_a72_no_name_reaches_a_file_or_a_statement(world: World, hostile: str) -> None:
    alice = world.account("Alice")
    request, _ = alice.founding(room_policy(alice, hostile))
    assert code_of(lambda: alice.do(conversations.create, request)) == "bad_name"
    ask = requests.JoinInfo(rid(), None, hostile)
    assert code_of(lambda: alice.do(conversations.join_info, ask)) == "bad_name"


def test_the_founder_is_an_owner_and_the_only_leaf(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    request, _ = alice.founding(room_policy(bob))
    assert code_of(lambda: alice.do(conversations.create, request)) == "bad_request"
    request, _ = bob.founding(room_policy(alice))
    assert code_of(lambda: alice.do(conversations.create, request)) == "bad_request"
    request, _ = alice.founding(LOBBY_POLICY)
    for changed in (
        structs.replace(request, nodes=()),
        structs.replace(request, nodes=(*request.nodes, b"\1more")),
        structs.replace(request, group_info=b"junk"),
        structs.replace(request, conversation=bytes(16)),
    ):
        assert code_of(lambda r=changed: alice.do(conversations.create, r)) == "bad_request"


def test_a_founding_is_of_epoch_0(world: World) -> None:
    alice = world.account("Alice")
    request, group = alice.founding(room_policy(alice))
    later = group.draft().finish(signer=alice.signer)
    nodes = tuple(later.group.tree.objects(None))
    changed = structs.replace(request, group_info=later.group_info, nodes=nodes)
    assert code_of(lambda: alice.do(conversations.create, changed)) == "bad_request"


def test_a_direct_conversation_is_of_two_accounts_here(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    carol = world.account("Carol")
    nobody = Device.fresh(world, "Nobody")
    for roots, code in (
        ((bob.root.identity, carol.root.identity), "bad_request"),
        ((alice.root.identity, nobody.root.identity), "no_such_user"),
    ):
        policy = Policy(1, Kind.DIRECT, "", JoinRule.INVITE, tuple(sorted(roots)))
        request, _ = alice.founding(policy)
        assert code_of(lambda r=request: alice.do(conversations.create, r)) == code
    notes = alice.direct(alice)
    found = alice.do(conversations.direct, requests.Direct(rid(), alice.root.identity)).reply
    assert isinstance(found, replies.Found)
    assert found.conversation == notes
    missing = alice.do(conversations.direct, requests.Direct(rid(), bob.root.identity)).reply
    assert isinstance(missing, replies.Found)
    assert missing.conversation is None


def test_both_find_the_direct_conversation(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    direct = alice.direct(bob)
    for one, other in ((alice, bob), (bob, alice)):
        ask = requests.Direct(rid(), other.root.identity)
        found = one.do(conversations.direct, ask).reply
        assert isinstance(found, replies.Found)
        assert found.conversation == direct


def test_an_account_founds_so_many(tmp_path: Any) -> None:
    with empty_database("sqlite", tmp_path) as database:
        world = World(database, limits=Limits(bcrypt_cost=4, conversations_per_account=2))
        alice = world.account("Alice")
        alice.room("one")
        alice.room("two")
        assert code_of(lambda: alice.room("three")) == "rate_limited"


def test_join_information_is_found_by_name_in_any_case(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room("Garden")
    ask = requests.JoinInfo(rid(), None, "GARDEN")
    found = bob.do(conversations.join_info, ask).reply
    assert isinstance(found, replies.JoinInfoFound)
    assert (found.conversation, found.stands_on, found.last_seq) == (room, 0, 0)
    for missing in (requests.JoinInfo(rid(), None, "other"), requests.JoinInfo(rid(), bytes(16))):
        assert code_of(lambda r=missing: bob.do(conversations.join_info, r)) == "no_such_room"
