"""Conversations in either suite over a real relay; none of them ever goes on in a weaker one."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from crypto.mls.group import KeyPackage, create, make_key_package, tree_objects
from crypto.mls.proposals import Add
from crypto.mls.suite import suite_by_number
from engine import keypackages
from engine.conversation import Conversation, State
from engine.events import Notice
from engine.outside import come_back
from engine.profile import Profile
from engine.session import Session
from storage.client import messaging
from tests.engine.crowds import ROOM_PASSWORD, crowd, names, synced, texts
from tests.engine.table import ALICE, GROUP_ID, raw_extensions, room, seated
from tests.engine.table import Person as Who
from tests.engine.test_session import NoKeyring, Person, Scene, play, refusal
from tests.processes import PASSWORD, Relay
from wire import codec
from wire.errors import Code, WireError
from wire.fields import MAX_RID
from wire.policy import Kind
from wire.replies import JoinInfoFound, NodesFound
from wire.requests import Append, CommitParts, GetNodes, JoinInfo
from wire.suites import CLASSICAL, DEFAULT_SUITE, HYBRID, MAX_LEAVES, SUITE_NAMES, SUITES


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay of its own: whoever comes first decides the suite of its lobby."""
    with Relay(tmp_path) as running:
        yield running


async def suites(person: Person) -> dict[str, str]:
    """The name of the suite by conversation, as somebody sees it."""
    return {row["name"]: row["suite"] for row in await person.session.conversations()}


async def second_device(scene: Scene, name: str, code: str) -> Person:
    """Another device of an account, in all of its conversations."""
    person = scene.person(f"{name} again")
    await person.session.login(name, PASSWORD, trust="tofu", recovery_code=code)
    await synced(person)
    return person


def test_everything_new_is_hybrid_and_a_room_is_what_was_asked_for(
    relay: Relay, tmp_path: Path
) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        carol, made = await scene.registered("carol")
        await synced(alice, bob, carol)
        await alice.session.send("@bob", "for you")
        await alice.session.create_room("garden")
        await alice.session.create_room("attic", suite="classical")
        await alice.session.create_room("vault", password=ROOM_PASSWORD, join="password")
        error = await refusal(alice.session.create_room("cellar", suite="weak"))
        assert error.code is Code.BAD_REQUEST
        for title in ("#garden", "#attic"):
            await bob.session.join_room(title)
            await alice.session.invite(title, "carol")
        await bob.session.join_room("#vault", ROOM_PASSWORD)
        again = await second_device(scene, "carol", made["recovery_code"])
        everybody = [alice, bob, carol, again]
        for title in ("#lobby", "#garden", "#attic"):
            for person in everybody:
                await person.session.send(title, "here")
                await synced(*everybody)
            heard = [await texts(person, title) for person in everybody]
            assert [len(each) for each in heard[:2]] == [4, 4]
            assert heard[3][-1] == "here"
        expected = dict.fromkeys(("#lobby", "#garden"), SUITE_NAMES[DEFAULT_SUITE])
        expected |= {"#attic": "classical"}
        assert await suites(carol) == await suites(again) == expected
        assert await suites(alice) == {**expected, "@bob": "hybrid", "#vault": "hybrid"}
        assert (await suites(bob))["@alice"] == "hybrid"

    play(relay, tmp_path, work)


def test_who_founds_decides_and_everybody_else_comes_in(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        founder = Person(tmp_path / "founder", relay.server)
        profile = Profile(tmp_path / "founder", keyring=NoKeyring())
        founder.session = Session(profile, server=relay.server, suite=CLASSICAL)
        founder.session.subscribe(founder._hear)
        scene.people.append(founder)
        await founder.session.register("alice", PASSWORD, trust="tofu")
        (bob,) = await crowd(scene, "bob")
        await founder.session.send("@bob", "in the old way")
        await founder.session.create_room("attic")
        await founder.session.create_room("vault", suite="hybrid")
        await bob.session.send("@alice", "as you like")
        await bob.session.send("#lobby", "hello")
        await synced(founder, bob)
        rows = await suites(founder)
        classical = {"#lobby", "@bob", "#attic"}
        assert rows == dict.fromkeys(classical, "classical") | {"#vault": "hybrid"}
        assert await texts(founder, "@bob") == ["in the old way", "as you like"]
        assert await texts(founder, "#lobby") == ["hello"]

    play(relay, tmp_path, work)


def test_a20_who_knows_the_old_suite_alone_is_told_of_and_never_waited_upon(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(scene: Scene) -> None:
        with monkeypatch.context() as before_the_update:
            before_the_update.setattr(keypackages, "SUITES", (CLASSICAL,))
            bob, made = await scene.registered("bob")
            await synced(bob)
        (alice,) = await crowd(scene, "alice")
        error = await refusal(alice.session.send("@bob", "secret"))
        assert (error.code, "must be updated" in error.text) == (Code.UNAVAILABLE, True)
        (row,) = await alice.session.outbox()
        assert (row["text"], row["state"], row["code"]) == ("secret", "failed", "unavailable")
        await alice.session.create_room("garden", join="invite")
        error = await refusal(alice.session.invite("#garden", "bob"))
        assert (error.code, "must be updated" in error.text) == (Code.UNAVAILABLE, True)
        await alice.session.create_room("attic", join="invite", suite="classical")
        await alice.session.invite("#attic", "bob")
        assert await names(alice, "#garden") == {"alice"}
        assert await names(alice, "#attic") == {"alice", "bob"}
        # Another device of his that is up to date comes in without the older one, and that is said.
        await second_device(scene, "bob", made["recovery_code"])
        await alice.session.invite("#garden", "bob")
        said = [event.text for event in alice.heard if isinstance(event, Notice)]
        assert len([text for text in said if text.startswith("A device of bob cannot")]) == 1
        assert len(await alice.session.members("#garden")) == 2
        assert await alice.session.retry(row["id"]) == [row["id"]]
        await synced(alice, scene.people[-1])
        assert await texts(scene.people[-1], "@alice") == ["secret"]
        assert await suites(alice) == {
            "#lobby": "hybrid",
            "@bob": "hybrid",
            "#garden": "hybrid",
            "#attic": "classical",
        }

    play(relay, tmp_path, work)


def test_a_device_fills_up_the_suite_that_it_learned_with_an_update(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(scene: Scene) -> None:
        with monkeypatch.context() as before_the_update:
            before_the_update.setattr(keypackages, "SUITES", (CLASSICAL,))
            bob, _ = await scene.registered("bob")
            await synced(bob)
            await bob.session.close()
        again = scene.person("bob")
        await again.session.unlock()
        (alice,) = await crowd(scene, "alice")
        await synced(again)
        await alice.session.send("@bob", "now you know it")
        await synced(again)
        assert await suites(again) == {"#lobby": "hybrid", "@alice": "hybrid"}

    play(relay, tmp_path, work)


def test_a20_a_conversation_comes_back_in_no_other_suite() -> None:
    _, alice, _, _ = seated(room(ALICE))
    value = alice.value
    gone = value.without_group(State.REMOVED)
    for here in (value, gone):
        assert here.suite == DEFAULT_SUITE
        assert [here.keeps_suite(number) for number in (HYBRID, CLASSICAL)] == [True, False]
    new = Conversation(GROUP_ID, Kind.ROOM, "room", State.JOINING)
    assert (new.suite, new.keeps_suite(HYBRID), new.keeps_suite(CLASSICAL)) == (0, True, True)


def test_a20_a_relay_cannot_show_a_weaker_group_under_a_known_one(
    relay: Relay, tmp_path: Path
) -> None:
    """Mallory, once a member, and the relay together: a classical group with the room's own id."""

    async def work(scene: Scene) -> None:
        alice, mallory, bob = await crowd(scene, "alice", "mallory", "bob")
        await alice.session.create_room("garden")
        await mallory.session.join_room("garden")
        hers = mallory.session._open().context
        live = alice.session._open().messenger.hub.need("#garden")
        group, standing = live.value.now_in()
        weak, info = create(
            suite=suite_by_number(CLASSICAL),
            group_id=live.value.id,
            config=hers.keys.leaf_config(hers.now_ms() // 1000),
            extensions=standing.extensions,
        )
        while weak.epoch <= group.epoch:
            made = weak.draft().finish(signer=hers.keys.signer)
            weak, info = made.group, made.group_info
        nodes = {sha256(node).digest(): node for node in tree_objects(weak)}
        account = alice.session._open()
        honest = account.line.request

        async def lying(frame: Any) -> Any:
            if isinstance(frame, JoinInfo):
                return JoinInfoFound(0, live.value.id, info, *[live.value.cursor] * 3)
            if isinstance(frame, GetNodes):
                return NodesFound(0, tuple(nodes[name] for name in frame.hashes))
            return await honest(frame)

        hub = account.messenger.hub
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(account.line, "request", lying)
            with pytest.raises(WireError, match="another suite"):
                await come_back(hub, live, is_asked=True)
        assert (live.value.state, live.value.suite) == (State.LOST, HYBRID)
        await bob.session.join_room("garden")  # who comes back wants a later epoch than his own
        await come_back(hub, live, is_asked=True)
        await bob.session.send("#garden", "what did you see?")
        await synced(alice, bob)
        assert (await texts(alice, "#garden"))[-1] == "what did you see?"
        assert (await suites(alice))["#garden"] == "hybrid"

    play(relay, tmp_path, work)


def test_a_commit_that_fits_no_frame_changes_nothing(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.create_room("garden", join="invite")
        live = alice.session._open().messenger.hub.need("#garden")
        before = live.value
        with monkeypatch.context() as small:
            small.setattr(codec, "MAX_FRAME_BYTES", 8 << 10)
            error = await refusal(alice.session.invite("#garden", "bob"))
        assert (error.code, "Nothing was changed" in error.text) == (Code.TOO_LARGE, True)
        assert (live.value, live.own) == (before, {})
        store = alice.session._open().context.store
        number = live.value.id
        assert await store.query(lambda c: messaging.load_pending_commit(c, number)) is None
        await alice.session.send("#garden", "to myself")
        await alice.session.invite("#garden", "bob")
        await alice.session.send("#garden", "to both")
        await synced(alice, bob)
        assert await texts(bob, "#garden") == ["to both"]

    play(relay, tmp_path, work)


def _commit_bytes(suite: int, *, silent: int, added: int) -> int:
    """The frame of a commit that adds devices to a group in which only the committer ever wrote."""
    of, owner = suite_by_number(suite), Who.named("alice", kind="rsa")
    keys = owner.device()
    group, _ = create(
        suite=of,
        group_id=GROUP_ID,
        config=keys.leaf_config(0),
        extensions=raw_extensions(room(owner)),
    )

    def adds(count: int) -> list[Add]:
        configs = (owner.device().leaf_config(0) for _ in range(count))
        made = (make_key_package(of, config).encoded for config in configs)
        return [Add(KeyPackage.decode(encoded)) for encoded in made]

    group = group.draft(adds(silent)).finish(signer=keys.signer).group
    own = group.draft(adds(added)).finish(signer=keys.signer)
    nodes = tree_objects(own.group, group)
    parts = CommitParts(own.group_info, nodes, own.welcome)
    return len(codec.encode(Append(MAX_RID, GROUP_ID, own.message, parts)))


@pytest.mark.parametrize("suite", SUITES)
def test_a_commit_in_the_largest_group_fits_a_frame(suite: int) -> None:
    """However blank its tree, and with all devices of an account added, RSA chains and all."""
    small, large = (_commit_bytes(suite, silent=n, added=20) for n in (44, 107))  # alike in depth
    each = (large - small) / 63
    levels = 5 * 3 * 1300  # of a deeper tree: a key in the path, a node, a secret more on each
    entry_data, roles = 512 * 100, 2 * 256 * 34  # effects of a commit, owners and admins: the most
    at_most = small + each * MAX_LEAVES[suite] + levels + entry_data + roles
    assert at_most < codec.MAX_FRAME_BYTES


@pytest.mark.parametrize("suite", SUITES)
def test_a_commit_adds_two_hundred_devices(suite: int) -> None:
    few, many = (_commit_bytes(suite, silent=1, added=n) for n in (8, 16))
    assert few + 200 * (many - few) / 8 < codec.MAX_FRAME_BYTES
