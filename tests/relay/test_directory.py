"""Looking up people and rooms."""

from __future__ import annotations

import pytest

from relay import admin, directory
from tests.relay.actors import World
from tests.relay.worlds import code_of, rid
from wire import replies, requests
from wire.policy import JoinRule
from wire.requests import Act

HOSTILE = (
    "' OR 1=1 --",
    '"; DROP TABLE accounts; --',
    "a' UNION SELECT password_hash FROM accounts --",
    "%",
    "_",
    "100%",
    "\\",
    "'||(SELECT 1)||'",
    ":name",
    "?",
)


def test_an_account_is_found_in_any_case(world: World) -> None:
    alice = world.account("Alice", email="a@example.org")
    world.online.add("alice")
    request = requests.Lookup(rid(), "ALICE")
    found = alice.do(directory.lookup, request).reply
    assert found == replies.AccountInfo(
        request.rid, "alice", "Alice", alice.root_certificate, online=True, banned=False
    )
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.BAN, "alice"))
    banned = alice.do(directory.lookup, request).reply
    assert isinstance(banned, replies.AccountInfo)
    assert banned.banned
    for name in ("nobody", "a@example.org", "a b", "", "\0"):
        ask = requests.Lookup(rid(), name)
        assert code_of(lambda r=ask: alice.do(directory.lookup, r)) == "no_such_user"


def rooms(world: World, query: str = "", after: str = "", limit: int = 50) -> list[str]:
    device = world.account(f"Asker{rid()}")
    found = device.do(directory.list_rooms, requests.ListRooms(rid(), query, after, limit)).reply
    assert isinstance(found, replies.RoomList)
    return [room.name for room in found.rooms]


def test_rooms_that_can_be_joined_are_listed_by_name(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    for name in ("Beta", "alpha", "alphabet", "gamma"):
        alice.room(name)
    alice.room("hidden", JoinRule.INVITE)
    alice.lobby()
    bob.join(alice.room("delta"))
    assert rooms(any_world) == ["alpha", "alphabet", "Beta", "delta", "gamma"]
    assert rooms(any_world, "ALPHA") == ["alpha", "alphabet"]
    assert rooms(any_world, after="alphabet", limit=2) == ["Beta", "delta"]
    found = bob.do(directory.list_rooms, requests.ListRooms(rid(), "delta")).reply
    assert isinstance(found, replies.RoomList)
    assert [room.members for room in found.rooms] == [2]


@pytest.mark.parametrize("query", HOSTILE)
def test_a67_what_is_typed_is_only_ever_a_value(any_world: World, query: str) -> None:
    alice = any_world.account("Alice")
    alice.room("Garden")
    assert rooms(any_world, query) == []
    assert rooms(any_world, after=query) in ([], ["Garden"])
    for ask in (requests.Lookup(rid(), query), requests.Lookup(rid(), "alice" + query)):
        assert code_of(lambda r=ask: alice.do(directory.lookup, r)) == "no_such_user"
    assert rooms(any_world) == ["Garden"]


def test_a67_an_underscore_is_no_wildcard(world: World) -> None:
    alice = world.account("Alice")
    for name in ("a_b", "axb"):
        alice.room(name)
    assert rooms(world, "a_") == ["a_b"]


def test_control_characters_are_refused(world: World) -> None:
    alice = world.account("Alice")
    ask = requests.ListRooms(rid(), "\0")
    assert code_of(lambda: alice.do(directory.list_rooms, ask)) == "bad_request"


def test_who_is_online_is_for_members(world: World) -> None:
    alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
    room = alice.room()
    bob.join(room)
    world.online |= {"bob", "carol"}
    found = alice.do(directory.who_is_in, requests.Who(rid(), room)).reply
    assert isinstance(found, replies.NameList)
    assert found.names == (("bob", "Bob"),)
    world.online.add("alice")
    page = alice.do(directory.who_is_in, requests.Who(rid(), room, "alice", 5)).reply
    assert isinstance(page, replies.NameList)
    assert page.names == (("bob", "Bob"),)
    ask = requests.Who(rid(), room)
    assert code_of(lambda: carol.do(directory.who_is_in, ask)) == "forbidden"
