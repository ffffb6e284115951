"""Roles at the relay: who may add, remove and change the rules. The members check the same."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.mls.extensions import Extension
from crypto.mls.proposals import GroupContextExtensions
from relay import append
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, group_extensions
from wire import replies
from wire.policy import JoinRule, Kind, Policy


def set_policy(device: Device, room: bytes, policy: Policy) -> Any:
    """A commit that changes the policy."""
    extensions: tuple[Extension, ...] = group_extensions(device.world, policy)
    return device.commit(room, [GroupContextExtensions(extensions)])


class TestRoles:
    """Attack 37 at the relay: the members apply the same rules."""

    def people(self, world: World, join: JoinRule) -> tuple[dict[str, Device], bytes]:
        people = {name: world.account(name) for name in ("Olga", "Hans", "Mia", "Gast")}
        olga, hans = people["Olga"], people["Hans"]
        room = olga.room("den", join, admins=(hans.root.identity,))
        olga.add(room, hans, people["Mia"])
        hans.catch_up(room)
        return people, room

    @pytest.mark.parametrize(
        ("who", "join", "allowed"),
        [
            ("Olga", JoinRule.INVITE, True),
            ("Hans", JoinRule.INVITE, True),
            ("Mia", JoinRule.INVITE, False),
            ("Mia", JoinRule.OPEN, True),
        ],
    )
    def test_a37_who_may_add(self, world: World, who: str, join: JoinRule, allowed: bool) -> None:
        people, room = self.people(world, join)
        people["Gast"].publish()
        request, _ = people[who].commit(room, people[who].adds_of("gast"))
        if allowed:
            assert isinstance(people[who].do(append.append, request).reply, replies.Accepted)
        else:
            assert code_of(lambda: people[who].do(append.append, request)) == "forbidden"

    @pytest.mark.parametrize(
        ("who", "whom", "allowed"),
        [
            ("Olga", "Hans", True),
            ("Hans", "Mia", True),
            ("Hans", "Olga", False),
            ("Mia", "Hans", False),
        ],
    )
    def test_a37_who_may_remove(self, world: World, who: str, whom: str, allowed: bool) -> None:
        people, room = self.people(world, JoinRule.INVITE)
        device = people[who]
        request, _ = device.commit(room, [device.remove_of(room, people[whom])])
        if allowed:
            assert isinstance(device.do(append.append, request).reply, replies.Accepted)
            assert code_of(lambda: people[whom].say(room)) == "removed"
            assert people[whom].fetch(room).last_seq == 2
        else:
            assert code_of(lambda: device.do(append.append, request)) == "forbidden"

    @pytest.mark.parametrize(("who", "allowed"), [("Olga", True), ("Hans", False), ("Mia", False)])
    def test_a37_who_may_change_the_rules(self, world: World, who: str, allowed: bool) -> None:
        people, room = self.people(world, JoinRule.INVITE)
        device = people[who]
        policy = Policy(1, Kind.ROOM, "den", JoinRule.OPEN, (people["Olga"].root.identity,))
        pair = set_policy(device, room, policy)
        if allowed:
            assert isinstance(device.send_commit(room, pair).reply, replies.Accepted)
            assert isinstance(people["Gast"].join(room).reply, replies.Accepted)
        else:
            assert code_of(lambda: device.do(append.append, pair[0])) == "forbidden"

    def test_the_name_and_the_kind_stay(self, world: World) -> None:
        people, room = self.people(world, JoinRule.INVITE)
        olga = people["Olga"]
        policy = Policy(1, Kind.ROOM, "other", JoinRule.INVITE, (olga.root.identity,))
        pair = set_policy(olga, room, policy)
        assert code_of(lambda: olga.do(append.append, pair[0])) == "bad_request"

    def test_the_lobby_is_added_to_and_removed_from_by_nobody(self, world: World) -> None:
        alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
        lobby = alice.lobby()
        bob.join(lobby)
        alice.catch_up(lobby)
        carol.publish()
        adding, _ = alice.commit(lobby, alice.adds_of("carol"))
        assert code_of(lambda: alice.do(append.append, adding)) == "forbidden"
        removing, _ = alice.commit(lobby, [alice.remove_of(lobby, bob)])
        assert code_of(lambda: alice.do(append.append, removing)) == "forbidden"

    def test_a_direct_conversation_is_for_two(self, world: World) -> None:
        alice, bob, carol = (world.account(name) for name in ("Alice", "Bob", "Carol"))
        direct = alice.direct(bob)
        carol.publish()
        request, _ = alice.commit(direct, alice.adds_of("carol"))
        assert code_of(lambda: alice.do(append.append, request)) == "forbidden"
