"""Rooms over a real relay: open, by invitation, with a password; roles, closing, leaving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.events import JoinResult, Membership
from tests.engine.crowds import ROOM_PASSWORD, crowd, names, synced, texts
from tests.engine.test_session import Scene, play, refusal
from tests.processes import PASSWORD, Relay
from wire.errors import Code


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay of its own: the lobby holds the people of one test only."""
    with Relay(tmp_path) as running:
        yield running


def test_an_open_room(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, carol = await crowd(scene, "alice", "bob", "carol")
        assert await alice.session.create_room("garden") == {"conversation": "#garden"}
        error = await refusal(bob.session.create_room("Garden"))
        assert error.code is Code.ROOM_EXISTS
        joined = await bob.session.join_room("#garden")
        assert joined == {"conversation": "#garden", "state": "joined"}
        assert (await refusal(bob.session.join_room("garden"))).code is Code.ALREADY_MEMBER
        await bob.session.send("#garden", "roses")
        await alice.session.invite("#garden", "carol")
        invited = await carol.hear(Membership, after=len(carol.heard) and 0)
        assert invited.conversation
        await synced(alice, bob, carol)
        await carol.session.send("#garden", "tulips")
        await synced(alice, bob, carol)
        assert await texts(alice, "#garden") == ["roses", "tulips"]
        assert await texts(carol, "#garden") == ["tulips"]
        roles = {r["name"]: r["role"] for r in await bob.session.members("#garden")}
        assert roles == {"alice": "owner", "bob": "member", "carol": "member"}
        assert (await refusal(bob.session.remove_member("#garden", "carol"))).code is Code.FORBIDDEN
        await alice.session.remove_member("#garden", "carol")
        await synced(alice, bob)
        await carol.session.sync(5)
        error = await refusal(carol.session.send("#garden", "lilies"))
        assert error.code is Code.REMOVED
        removed = [m for m in carol.heard if isinstance(m, Membership) and m.change == "removed"]
        assert [(m.name, m.by) for m in removed] == [("carol", "alice")]
        assert await names(bob, "#garden") == {"alice", "bob"}

    play(relay, tmp_path, work)


def test_an_invite_room_lets_in_whom_an_officer_adds(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, carol = await crowd(scene, "alice", "bob", "carol")
        await alice.session.create_room("board", join="invite")
        assert (await refusal(bob.session.join_room("board"))).code in (
            Code.FORBIDDEN,
            Code.NO_SUCH_ROOM,
        )
        await alice.session.invite("#board", "bob")
        await synced(bob)
        assert (await refusal(bob.session.invite("#board", "carol"))).code is Code.FORBIDDEN
        await alice.session.set_role("#board", "bob", "admin")
        await synced(bob)
        await bob.session.invite("#board", "carol")
        await synced(alice, carol)
        assert await names(carol, "#board") == {"alice", "bob", "carol"}
        assert (await refusal(alice.session.leave_room("#board"))).code is Code.FORBIDDEN
        await alice.session.set_role("#board", "bob", "owner")
        await alice.session.leave_room("#board")
        await bob.hear(Membership)
        while "alice" in await names(bob, "#board"):
            await bob.session.sync(5)
        await bob.session.send("#board", "alone")
        left = [m for m in bob.heard if isinstance(m, Membership) and m.change == "left"]
        assert [(m.name, m.by) for m in left] == [("alice", "")]

    play(relay, tmp_path, work)


def test_a_password_room(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, carol = await crowd(scene, "alice", "bob", "carol")
        weak = await refusal(alice.session.create_room("vault", join="password", password="abc"))
        assert weak.code is Code.WEAK_PASSWORD
        await alice.session.create_room("vault", join="password", password=ROOM_PASSWORD)
        joined = await bob.session.join_room("vault", password=ROOM_PASSWORD)
        assert joined["state"] == "joined"
        await bob.session.send("#vault", "gold")
        wrong = await refusal(carol.session.join_room("vault", password="Wrong-password-1"))
        assert wrong.code is Code.WRONG_ROOM_PASSWORD
        await synced(alice, bob)
        await alice.session.send("#vault", "still here")
        await synced(alice, bob)
        assert await names(alice, "#vault") == {"alice", "bob"}
        assert await texts(bob, "#vault") == ["gold", "still here"]
        assert (await carol.session.join_room("vault", password=ROOM_PASSWORD))["state"] == "joined"
        await alice.session.remove_member("#vault", "bob")
        await synced(alice, carol)
        closed = await refusal(bob.session.join_room("vault", password=ROOM_PASSWORD))
        assert closed.code is Code.FORBIDDEN
        await alice.session.set_room_password("#vault", "Neue-Birken-am-See-43")
        again = await bob.session.join_room("vault", password="Neue-Birken-am-See-43")
        assert again["state"] == "joined"
        await carol.session.send("#vault", "welcome back")
        await synced(alice, bob, carol)
        assert (await texts(bob, "#vault"))[-1] == "welcome back"

    play(relay, tmp_path, work)


def test_a_join_waits_for_a_member(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.create_room("vault", join="password", password=ROOM_PASSWORD)
        await alice.session.close()
        waits = await bob.session.join_room("vault", password=ROOM_PASSWORD)
        assert waits["state"] == "waiting"
        again = scene.person("alice")
        await again.session.unlock()
        assert (await bob.hear(JoinResult)).state == "joined"
        await bob.session.send("#vault", "in")
        await synced(again)
        assert await texts(again, "#vault") == ["in"]

    play(relay, tmp_path, work)


def test_a_second_device_gives_the_password(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        (bob,) = await crowd(scene, "bob")
        alice, answer = await scene.registered("alice")
        await alice.session.create_room("vault", join="password", password=ROOM_PASSWORD)
        await bob.session.join_room("vault", password=ROOM_PASSWORD)
        await synced(alice, bob)
        second = scene.person("alice2")
        code = answer["recovery_code"]
        await second.session.login("alice", PASSWORD, trust="tofu", recovery_code=code)
        await synced(second)
        assert {row["name"] for row in await second.session.conversations()} == {"#lobby"}
        error = await refusal(second.session.join_room("vault"))
        assert error.code is Code.WRONG_ROOM_PASSWORD
        # Closed to newcomers, but not to a device of somebody who is in.
        await alice.session.remove_member("#vault", "bob")
        await synced(alice)
        joined = await second.session.join_room("vault", password=ROOM_PASSWORD)
        assert joined["state"] == "joined"
        await second.session.send("#vault", "from the second")
        await synced(alice, second)
        assert await texts(alice, "#vault") == ["from the second"]

    play(relay, tmp_path, work)
