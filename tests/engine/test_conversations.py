"""Several devices over a real relay: the lobby, direct conversations, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.events import Disconnected, IdentityChanged, Membership, Message
from tests.engine.crowds import crowd, names, synced, texts
from tests.engine.test_session import Person, Scene, play, refusal
from tests.processes import PASSWORD, Relay, wait_until
from wire.errors import Code


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay of its own: the lobby holds the people of one test only."""
    with Relay(tmp_path) as running:
        yield running


def test_everybody_reads_the_lobby(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, carol = await crowd(scene, "alice", "bob", "carol")
        said = [f"{person} {n}" for n in range(3) for person in "abc"]
        for text in said:
            speaker = {"a": alice, "b": bob, "c": carol}[text[0]]
            await speaker.session.send("#lobby", text)
        await synced(alice, bob, carol)
        for person in (alice, bob, carol):
            assert await texts(person, "#lobby") == said
            assert await names(person, "#lobby") == {"alice", "bob", "carol"}
        assert (await alice.hear(Message)).sender == "bob"
        assert [row["unread"] for row in await alice.session.conversations()] == [6]
        await alice.session.mark_read("#lobby", 100)
        assert await alice.session.unread() == []

    play(relay, tmp_path, work)


def test_a_first_message_needs_nothing_but_a_name(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        sent = await alice.session.send("@Bob", "hi")
        assert (await bob.hear(Message)).text == "hi"
        await bob.session.send("@alice", "hello")
        await synced(alice, bob)
        assert await texts(alice, "@bob") == await texts(bob, "@alice") == ["hi", "hello"]
        again = await alice.session.send("@bob", "hi", transaction_id=sent["id"])
        assert again["seq"] == sent["seq"]
        assert (await refusal(alice.session.send("@nobody", "hi"))).code is Code.NO_SUCH_USER
        assert (await refusal(alice.session.send("#nowhere", "hi"))).code is Code.NO_SUCH_ROOM
        assert (await refusal(alice.session.send("@bob", "x" * 70000))).code is Code.TOO_LARGE
        assert [row["text"] for row in await bob.session.search("hi")] == ["hi"]

    play(relay, tmp_path, work)


def test_a_message_waits_for_who_is_offline(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await bob.session.close()
        await alice.session.send("@bob", "are you there?")
        await alice.session.send("#lobby", "where is bob?")
        again = scene.person("bob")
        await again.session.unlock()
        await synced(again)
        assert await texts(again, "@alice") == ["are you there?"]
        assert await texts(again, "#lobby") == ["where is bob?"]
        await again.session.send("@alice", "now I am")
        await synced(alice)
        assert (await texts(alice, "@bob"))[-1] == "now I am"

    play(relay, tmp_path, work)


def test_both_found_at_once_and_meet_in_one(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await asyncio.gather(
            alice.session.send("@bob", "from alice"), bob.session.send("@alice", "from bob")
        )
        await synced(alice, bob)
        await synced(alice, bob)
        mine = next(r for r in await alice.session.conversations() if r["name"] == "@bob")
        theirs = next(r for r in await bob.session.conversations() if r["name"] == "@alice")
        assert mine["id"] == theirs["id"]
        heard = {m.text for m in alice.heard if isinstance(m, Message)}
        assert heard == {"from bob"} or await texts(alice, "@bob") == ["from alice"]
        await alice.session.send("@bob", "after")
        await synced(alice, bob)
        assert (await texts(bob, "@alice"))[-1] == "after"

    play(relay, tmp_path, work)


def test_a_second_device_joins_by_itself(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        code = (await scene.registered("dora"))[1]["recovery_code"]
        dora = scene.people[-1]
        await synced(dora)
        await dora.session.send("@bob", "one")
        await bob.session.create_room("club", join="invite")
        await bob.session.invite("#club", "dora")
        await synced(dora, bob)
        second = scene.person("dora2")
        await second.session.login("dora", PASSWORD, trust="tofu", recovery_code=code)
        await synced(second)
        rows = {r["name"] for r in await second.session.conversations()}
        assert rows == {"#lobby", "@bob", "#club"}
        await bob.session.send("@dora", "two")
        await second.session.send("#club", "three")
        await synced(dora, second, bob, alice)
        assert await texts(second, "@bob") == ["two"]
        assert await texts(dora, "@bob") == ["one", "two"]
        assert await texts(dora, "#club") == await texts(bob, "#club") == ["three"]
        own = [m for m in dora.heard if isinstance(m, Message) and m.own]
        assert [m.text for m in own] == ["three"]

    play(relay, tmp_path, work)


def test_conflicts_lose_nothing(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        people = await crowd(scene, "alice", "bob", "carol")
        alice, bob, carol = people
        await alice.session.create_room("busy")
        for person in (bob, carol):
            await person.session.join_room("busy")
        await synced(*people)

        async def talk(person: Person, mark: str) -> None:
            for number in range(5):
                await person.session.send("#busy", f"{mark}{number}")

        async def roles() -> None:
            for role in ("admin", "member", "admin"):
                await alice.session.set_role("#busy", "bob", role)

        await asyncio.gather(talk(alice, "a"), talk(bob, "b"), talk(carol, "c"), roles())
        await synced(*people)
        everything = await texts(alice, "#busy")
        assert sorted(everything) == sorted(f"{m}{n}" for m in "abc" for n in range(5))
        for mark in "abc":
            assert [t for t in everything if t[0] == mark] == [f"{mark}{n}" for n in range(5)]
        assert await texts(bob, "#busy") == everything == await texts(carol, "#busy")

    play(relay, tmp_path, work)


def test_a_ban_removes_and_says_by_whom(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        wait_until(lambda: "admin code" in relay.log.read_text().lower(), "the admin code")
        admin = await scene.admin()
        alice, bob = await crowd(scene, "alice", "bob")
        await synced(admin)
        await alice.session.create_room("garden")
        await bob.session.join_room("garden")
        await admin.session.ban("bob", reason="spam")
        while "bob" in await names(alice, "#garden") | await names(alice, "#lobby"):
            await alice.session.sync(5)
        gone = [m for m in alice.heard if isinstance(m, Membership) and m.change == "banned"]
        assert {(m.name, m.by, m.reason) for m in gone} == {("bob", "admin", "spam")}
        await alice.session.send("#garden", "quiet now")
        assert (await refusal(alice.session.send("@bob", "hm?"))).code is Code.BANNED
        failed = await alice.session.outbox()
        assert [(r["text"], r["state"], r["code"]) for r in failed] == [("hm?", "failed", "banned")]
        await alice.session.cancel(failed[0]["id"])
        assert await alice.session.outbox() == []

    play(relay, tmp_path, work)


def test_a_restart_goes_on_where_it_was(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.send("@bob", "one")
        await synced(bob)
        await alice.session.close()
        again = scene.person("alice")
        await again.session.unlock()
        await again.session.send("@bob", "two")
        await synced(again)  # it may have been queued before the connection stood
        await bob.session.send("@alice", "three")
        await synced(again, bob)
        assert await texts(again, "@bob") == ["one", "two", "three"]
        assert await texts(bob, "@alice") == ["one", "two", "three"]

    play(relay, tmp_path, work)


def test_what_is_written_offline_is_sent_later(tmp_path: Path) -> None:
    relay = Relay(tmp_path).start()

    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.send("@bob", "one")
        relay.stop()
        await alice.hear(Disconnected)
        queued: dict[str, Any] = await alice.session.send("@bob", "two")
        assert queued["state"] == "queued"
        assert [row["text"] for row in await alice.session.outbox()] == ["two"]
        relay.start()
        for person in (alice, bob):
            await person.session.reconnect()
        await synced(alice, bob)
        await synced(bob)
        assert await texts(bob, "@alice") == ["one", "two"]
        assert await alice.session.outbox() == []

    try:
        play(relay, tmp_path, work)
    finally:
        relay.stop()


def test_notes_to_oneself(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        (alice,) = await crowd(scene, "alice")
        await alice.session.send("@alice", "buy milk")
        await alice.session.send("@alice", "and bread")
        assert await texts(alice, "@alice") == ["buy milk", "and bread"]

    play(relay, tmp_path, work)


def test_a_changed_identity_stops_sending_to_its_room(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.create_room("club", join="invite")
        await alice.session.invite("#club", "bob")
        await alice.session.send("@bob", "hi")
        await synced(alice, bob)
        other = scene.person("bob2")
        await other.session.login("bob", PASSWORD, trust="tofu", new_identity=True)
        changed = await alice.hear(IdentityChanged)
        error = await refusal(alice.session.send("@bob", "still you?"))
        assert error.code is Code.IDENTITY_CHANGED
        assert error.data["expected"] == changed.old_fingerprint
        assert error.data["shown"] == changed.new_fingerprint
        await alice.session.accept_identity("bob", changed.new_fingerprint)
        await alice.session.send("@bob", "hello, new you")
        await synced(other)
        assert await texts(other, "@alice") == ["hello, new you"]

    play(relay, tmp_path, work)
