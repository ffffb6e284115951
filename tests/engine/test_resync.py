"""Lost step and found again over a real relay: unusable commits, old copies of a store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.mls import finishing
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.key_package import LeafConfig
from engine.commits import places_of
from engine.context import Context
from engine.conversation import Conversation, Notes, State
from engine.direct import Directs
from engine.events import Notice, Unreadable
from engine.hub import Hub
from engine.live import Live
from engine.messenger import Messenger
from engine.outside import come_back
from engine.roster import effects_of
from tests.engine.crowds import crowd, names, synced, texts
from tests.engine.table import Person as Who
from tests.engine.test_session import Person, Scene, play
from tests.processes import Relay
from wire.entry import EffectKind, EntryData, encode_data
from wire.policy import Kind
from wire.requests import Append, CommitParts
from wire.suites import CLASSICAL, HYBRID


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay of its own."""
    with Relay(tmp_path) as running:
        yield running


def inside(person: Person) -> tuple[Messenger, Context]:
    """The engine of somebody who looks inside, as one who changes his software does."""
    account = person.session._open()
    return account.messenger, account.context


def live_of(person: Person, title: str) -> Live:
    """Somebody's owner of a conversation."""
    return inside(person)[0].hub.need(title)


async def force(person: Person, title: str, config: LeafConfig) -> int:
    """Append a commit without asking our own judge; return its place in the log."""
    _, context = inside(person)
    live = live_of(person, title)
    async with live.lock:
        group, standing = live.value.now_in()
        draft = group.draft(config=config)
        added, removed = places_of(standing, draft.changes)
        changes = [(EffectKind.REMOVED, place) for place in removed]
        changes += [(EffectKind.ADDED, place) for place in added]
        data = EntryData(live.value.stands_on, context.random(16), effects_of(changes))
        made = draft.finish(signer=context.keys.signer, authenticated_data=encode_data(data))
        parts = CommitParts(made.group_info, tuple(made.group.tree.objects(group.tree)))
        reply: Any = await context.link.request(Append(0, live.value.id, made.message, parts))
        return int(reply.answers[0][1])


def test_a37_a_commit_that_most_refuse_is_undone(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, mallory = await crowd(scene, "alice", "bob", "mallory")
        await alice.session.create_room("garden")
        for person in (bob, mallory):
            await person.session.join_room("garden")
        await synced(alice, bob, mallory)
        await synced(alice, bob, mallory)
        keys = inside(mallory)[1].keys
        elsewhere = Who.named("trudy").device(keys.signer)  # a name that is not Mallory's
        seq = await force(mallory, "#garden", elsewhere.leaf_config(1))
        for person in (alice, bob):
            refused = await person.hear(Unreadable)
            assert (refused.conversation, refused.seq, refused.code) == ("#garden", seq, "J-5")
        await alice.session.send("#garden", "mallory is mallory")
        await bob.session.send("#garden", "so it is")
        await synced(alice, bob)
        assert await texts(bob, "#garden") == ["mallory is mallory", "so it is"]
        assert await names(bob, "#garden") == {"alice", "bob", "mallory"}

    play(relay, tmp_path, work)


def test_a25_who_cannot_use_a_path_comes_back(
    relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(scene: Scene) -> None:
        alice, bob, carol = await crowd(scene, "alice", "bob", "carol")
        await alice.session.create_room("garden")
        for person in (bob, carol):
            await person.session.join_room("garden")
        await synced(alice, bob, carol)
        await synced(alice, bob, carol)
        honest = finishing.encrypt_path

        def corrupt(*given: Any, **named: Any) -> Any:
            path = honest(*given, **named)
            node = path.nodes[0]
            broken = tuple(
                HpkeCiphertext(
                    one.kem_output, one.ciphertext[:-1] + bytes((one.ciphertext[-1] ^ 1,))
                )
                for one in node.encrypted_path_secrets
            )
            return replace(
                path, nodes=(replace(node, encrypted_path_secrets=broken), *path.nodes[1:])
            )

        with monkeypatch.context() as patch:
            patch.setattr(finishing, "encrypt_path", corrupt)
            await alice.session.set_role("#garden", "bob", "admin")
        await synced(alice, carol)
        while not _epoch(bob) == _epoch(alice) == _epoch(carol):
            await synced(alice, bob, carol)
        await synced(alice, bob, carol)
        for person, text in ((alice, "one"), (bob, "two"), (carol, "three")):
            await person.session.send("#garden", text)
        await synced(alice, bob, carol)
        for person in (alice, bob, carol):
            assert await texts(person, "#garden") == ["one", "two", "three"]

    play(relay, tmp_path, work)


def _epoch(person: Person) -> int:
    group = inside(person)[0].hub.named("#garden")[0].value.group
    return -1 if group is None else group.epoch


def test_a54_an_old_copy_of_a_store_makes_its_keys_anew(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        await alice.session.send("@bob", "one")
        await synced(alice, bob)
        await alice.session.close()
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "alice", copy)
        again = scene.person("alice")
        await again.session.unlock()
        await again.session.send("@bob", "two")
        await synced(again, bob)
        await again.session.close()
        old = Person(copy, relay.server)
        scene.people.append(old)
        await old.session.unlock()
        assert (await old.hear(Notice)).kind == "clone"
        await synced(old)
        await old.session.send("@bob", "three")
        await synced(old, bob)
        assert await texts(bob, "@alice") == ["one", "two", "three"]
        # What everybody had acknowledged, the relay may have deleted before the old copy came.
        assert await texts(old, "@bob") in (["one", "two", "three"], ["one", "three"])
        gaps = [event for event in bob.heard if isinstance(event, Unreadable)]
        assert [(event.code, event.sender) for event in gaps] == [("gap", "alice")]

    play(relay, tmp_path, work)


def test_a_way_back_is_given_three_times_a_day(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, bob = await crowd(scene, "alice", "bob")
        messenger, _ = inside(alice)
        live = live_of(alice, "#lobby")
        for _ in range(3):
            await bob.session.send("#lobby", "hi")
            await live.catch_up()
            async with live.lock:
                epoch = live.value.now_in()[0].epoch
                await live.keep_value(live.value.with_notes(floor=epoch))
            await come_back(messenger.hub, live)
            assert live.value.state is State.ACTIVE
        await come_back(messenger.hub, live)
        assert (await alice.hear(Notice)).kind == "warning"
        await alice.session.send("#lobby", "here again")
        await synced(bob)
        assert (await texts(bob, "#lobby"))[-1] == "here again"
        assert await names(bob, "#lobby") == {"alice", "bob"}

    play(relay, tmp_path, work)


def test_two_conversations_of_one_pair_show_as_one(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        (alice,) = await crowd(scene, "alice")
        _, context = inside(alice)
        hub = Hub(context)
        directs = Directs(hub)
        root = b"r" * 32

        def made(number: int, wrote: tuple[bool, bool], suite: int = CLASSICAL) -> Live:
            notes = Notes(peer_root=root, wrote=wrote, suite=suite)
            value = Conversation(bytes([number]) * 16, Kind.DIRECT, "", State.ACTIVE, peer="bob")
            return hub.add(replace(value, notes=notes))

        first, second = made(2, (False, True)), made(3, (True, False))
        assert directs.best(root) is first
        third, fourth = made(9, (True, True)), made(8, (True, True))
        assert directs.best(root) is fourth
        strong = made(10, (True, True), HYBRID)
        made(1, (True, False), HYBRID)
        assert directs.best(root) is strong  # whichever of them a relay brought about first
        everything = directs.all_with(root)
        assert len(everything) == len(hub.named("@bob")) == 6
        assert {id(live) for live in (first, second, third, fourth)} < {id(e) for e in everything}

    play(relay, tmp_path, work)
