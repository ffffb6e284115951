"""A relay that lies: it has its key, its database, every frame and every password."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.mls.extensions import Extension
from crypto.mls.group import create, tree_objects
from crypto.mls.key_package import KeyPackage, LeafConfig, make_key_package
from crypto.mls.proposals import (
    Add,
    GroupContextExtensions,
    Proposal,
    ReInit,
    Remove,
    external_psk,
)
from crypto.mls.suite import suite_by_number
from crypto.recovery import open_root
from engine.claims import claim
from engine.group_policy import extensions_of, room_policy
from engine.profile import Profile
from engine.session import Session
from relay.headers import EntryKind, read_header
from tests.processes import PASSWORD, JsonClient, People, Relay, wait_until
from tests.system.between import Between, FromRelay, Line, answered, changed
from tests.system.relay_disk import Row, disk, external_proposal, relay_key
from wire.entry import RemovalData, encode_data
from wire.policy import JoinRule
from wire.pushes import InboxPush
from wire.replies import Claimed, Conflict, InboxEntry, InboxFound, NodesFound
from wire.requests import Append, GetInbox, GetNodes, Publish, Request
from wire.suites import CLASSICAL, DEFAULT_SUITE

GARDEN = "#garden"
SUITE = suite_by_number(DEFAULT_SUITE)


@pytest.fixture
def garden(everybody: People) -> tuple[People, JsonClient, JsonClient]:
    """Alice and Bob in a room by invitation, and in a private conversation."""
    alice, bob = everybody.join("alice"), everybody.join("bob")
    alice.call("create_room", name="garden", join="invite")
    alice.call("invite", conversation=GARDEN, name="bob")
    alice.say(GARDEN, "first")
    bob.hears(GARDEN, "first")
    alice.say("@bob", "private")
    bob.hears("@alice", "private")
    bob.say("@alice", "private too")
    alice.hears("@bob", "private too")
    for client in (alice, bob):
        client.settle()
    return everybody, alice, bob


def back(*clients: JsonClient) -> None:
    """Wait until clients are connected again after their relay was away."""
    for client in clients:
        client.call("reconnect")
        client.settle()


def accounts_in(client: JsonClient, conversation: str) -> set[str]:
    return {row["name"] for row in client.call("members", conversation=conversation)}


def texts(client: JsonClient, conversation: str) -> list[str]:
    return [text for _, text in client.history(conversation)]


def goes_on(alice: JsonClient, bob: JsonClient, conversation: str = GARDEN) -> None:
    """They still talk, both ways."""
    for number, (speaker, hearer) in enumerate(((alice, bob), (bob, alice))):
        text = f"still here {number} {os.urandom(4).hex()}"
        speaker.say(conversation, text)
        hearer.hears(conversation, text)


@contextlib.asynccontextmanager
async def session(folder: Path, relay: Relay, name: str) -> AsyncIterator[Session]:
    """Somebody whose keys this test holds, registered."""
    found = Session(Profile(folder), server=relay.server, trust=relay.fingerprint)
    try:
        await found.register(name, PASSWORD)
        yield found
    finally:
        await found.close()


# 1: the relay adds a member.


def test_a01_a_line_in_the_relays_roster_lets_nobody_read(
    garden: tuple[People, JsonClient, JsonClient],
) -> None:
    everybody, alice, bob = garden
    mallory = everybody.join("mallory")
    mallory.settle()
    with disk(everybody.relay) as stolen:
        stolen.add_member("garden", "mallory", leaf=2)
    back(alice, bob)
    mallory.call("reconnect")
    alice.say(GARDEN, "for members only")
    bob.hears(GARDEN, "for members only")
    mallory.call("sync", timeout_s=5)
    assert accounts_in(alice, GARDEN) == accounts_in(bob, GARDEN) == {"alice", "bob"}
    assert "for members only" not in [n["params"].get("text") for n in mallory.notifications]
    goes_on(alice, bob)


async def _forged_welcome(
    folder: Path, relay: Relay, conversation: bytes
) -> tuple[bytes, dict[bytes, bytes]]:
    """A group of Mallory's own under the name of the others' room, with Bob added to it."""
    async with session(folder, relay, "mallory") as mallory:
        context = mallory._open().context
        contact = await context.contacts.check("bob")
        policy = room_policy("garden", JoinRule.INVITE, owner=context.keys.root_identity, lock=None)
        group, _ = create(
            suite=SUITE,
            group_id=conversation,
            config=context.keys.leaf_config(context.now_ms() // 1000),
            extensions=extensions_of(policy, relay_key=context.relay_key),
        )
        for _ in range(5):  # so that its epoch is above that of the real one
            group = group.draft().finish(signer=context.keys.signer).group
        adds = await claim(context, contact, suite=SUITE.number)
        made = group.draft(adds).finish(signer=context.keys.signer)
        objects = tree_objects(made.group, None)
        assert made.welcome is not None
        return made.welcome, {sha256(each).digest(): each for each in objects}


@pytest.mark.parametrize("is_same_id", [True, False])
def test_a01_a_welcome_into_a_false_group_does_not_take_the_place_of_the_real_one(
    everybody: People, tmp_path: Path, no_keyring: None, is_same_id: bool
) -> None:
    """Under the room's own id; and as a second room of its name, with an id that sorts first."""
    nodes: dict[bytes, bytes] = {}
    inbox: list[InboxEntry] = []
    asked: list[GetInbox] = []

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        request = answered(line, frame)
        if isinstance(request, GetInbox) and inbox:
            asked.append(request)
            return (InboxFound(request.rid, tuple(inbox), inbox[-1].seq),)
        if isinstance(request, GetNodes) and set(request.hashes) & set(nodes):
            return (NodesFound(request.rid, tuple(nodes[one] for one in request.hashes)),)
        return (frame,)

    with Between(everybody.relay, down=down) as between:
        alice, bob = everybody.join("alice"), everybody.join("bob", server=between.server)
        alice.call("create_room", name="garden", join="invite")
        alice.call("invite", conversation=GARDEN, name="bob")
        goes_on(alice, bob)
        bob.settle()
        with disk(everybody.relay) as stolen:
            real = stolen.conversation("garden").conversation
            conversation = real if is_same_id else bytes(16)
        alice.call("reconnect")
        bob.call("reconnect")
        welcome, made = asyncio.run(
            _forged_welcome(tmp_path / "mallory", everybody.relay, conversation)
        )
        nodes.update(made)
        inbox.append(InboxEntry(1 << 20, conversation, 1 << 20, welcome))
        between.line_of("bob").say(InboxPush(inbox[0]))
        wait_until(lambda: bool(asked), "bob to look into his inbox")
        inbox.clear()
        bob.settle()
        assert accounts_in(bob, GARDEN) == {"alice", "bob"}
        goes_on(alice, bob)


# 2: a ghost device on an account.


def _ghost(
    everybody: People, swap: Callable[[Claimed, bytes], Claimed], *, is_beside: bool
) -> None:
    published: list[bytes] = []

    def up(line: Line, request: Request) -> Iterable[Request]:
        is_hers = line.name == "mallory"
        if isinstance(request, Publish) and is_hers and request.suite == DEFAULT_SUITE:
            published.extend(request.packages)
        return (request,)

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        if isinstance(frame, Claimed) and frame.account == "bob":
            return (swap(frame, published[0]),)
        return (frame,)

    with Between(everybody.relay, up=up, down=down) as between:
        bob = everybody.join("bob")
        mallory = everybody.join("mallory", server=between.server)
        wait_until(lambda: bool(published), "mallory to publish packages")
        alice = everybody.join("alice", server=between.server)
        alice.say("@bob", "for bob alone", wait="stored")
        assert alice.wait_for("notice", kind="warning")["name"] == "bob"
        if is_beside:
            bob.hears("@alice", "for bob alone")
            assert accounts_in(alice, "@bob") == {"alice", "bob"}
        mallory.call("sync", timeout_s=5)
        assert "for bob alone" not in [n["params"].get("text") for n in mallory.notifications]


def test_a02_a_ghost_in_place_of_a_device_is_refused(everybody: People) -> None:
    def swap(frame: Claimed, other: bytes) -> Claimed:
        return changed(frame, packages=((frame.packages[0][0], other),))

    _ghost(everybody, swap, is_beside=False)


def test_a02_a_ghost_beside_a_device_is_refused(everybody: People) -> None:
    def swap(frame: Claimed, other: bytes) -> Claimed:
        leaf = KeyPackage.decode(other).leaf_node
        device = sha256(leaf.signature_key).digest()[:16]
        return changed(frame, packages=(*frame.packages, (device, other)))

    _ghost(everybody, swap, is_beside=True)


# 9 and 11: what was sent, again or elsewhere.


@contextlib.contextmanager
def _recorded(
    everybody: People,
) -> Iterator[tuple[JsonClient, JsonClient, dict[bytes, list[bytes]]]]:
    """Alice and Bob after a talk in three conversations, and what the relay was given of it."""
    logs: dict[bytes, list[bytes]] = {}

    def up(line: Line, request: Request) -> Iterable[Request]:
        if isinstance(request, Append):
            logs.setdefault(request.conversation, []).append(request.message)
        return (request,)

    with Between(everybody.relay, up=up) as between:
        alice, bob = (everybody.join(name, server=between.server) for name in ("alice", "bob"))
        alice.call("create_room", name="garden", join="invite")
        alice.call("invite", conversation=GARDEN, name="bob")
        for here, there, text in ((GARDEN, GARDEN, "one"), ("@bob", "@alice", "two")):
            alice.say(here, text)
            bob.hears(there, text)
            bob.say(there, text + " too")
            alice.hears(here, text + " too")
        alice.say("#lobby", "three")
        bob.hears("#lobby", "three")
        for client in (alice, bob):
            client.settle()
        yield alice, bob, logs


NAMES = {"garden": GARDEN, "": "@alice", "lobby": "#lobby"}


def test_a09_a_log_told_again_is_shown_once(everybody: People) -> None:
    with _recorded(everybody) as (alice, bob, logs):
        before = {title: texts(bob, title) for title in NAMES.values()}
        assert sorted(map(len, before.values())) == [1, 2, 2]
        with disk(everybody.relay) as stolen:
            for name in NAMES:
                row = stolen.conversation(name)
                for message in logs[row.conversation]:
                    is_head = read_header(message, row.conversation).kind is not EntryKind.MESSAGE
                    for _ in range(3):
                        stolen.append(name, message, is_head=is_head)
        back(alice, bob)
        assert {title: texts(bob, title) for title in NAMES.values()} == before
        goes_on(alice, bob)
        goes_on(alice, bob, conversation="#lobby")
        alice.say("@bob", "after")
        bob.hears("@alice", "after")
        bob.kill()
        bob = everybody.open("bob")
        bob.settle()
        assert texts(bob, "@alice") == [*before["@alice"], "after"]
        assert texts(bob, GARDEN)[:2] == before[GARDEN]


def test_a11_a_message_told_in_another_conversation_is_not_shown(everybody: People) -> None:
    with _recorded(everybody) as (alice, bob, logs):
        before = {title: texts(bob, title) for title in NAMES.values()}
        with disk(everybody.relay) as stolen:
            own = {name: logs[stolen.conversation(name).conversation] for name in NAMES}
            for name in NAMES:
                for other in NAMES.keys() - {name}:
                    stolen.append(name, own[other][-1])
        back(alice, bob)
        assert {title: texts(bob, title) for title in NAMES.values()} == before
        goes_on(alice, bob)
        goes_on(alice, bob, conversation="#lobby")


# 12: KeyPackages that are used, or of the wrong time.


async def _odd_package(folder: Path, relay: Relay, days: tuple[int, int]) -> bytes:
    async with session(folder, relay, "bob") as bob:
        await bob.sync()  # so that there is a package to swap
        keys, now_s = bob._open().keys, bob._open().context.now_ms() // 1000
        config = keys.leaf_config(now_s)
        lifetime = (now_s + days[0] * 86400, now_s + days[1] * 86400 - 1)
        odd = LeafConfig(
            config.signer,
            config.credential,
            extension_types=config.extension_types,
            lifetime=lifetime,
        )
        return make_key_package(SUITE, odd).encoded


@pytest.mark.parametrize("days", [(-30, 0), (0, 3650), (1, 60)])
def test_a12_a_package_of_another_time_is_refused(
    everybody: People, tmp_path: Path, no_keyring: None, days: tuple[int, int]
) -> None:
    """One that ended a second ago, one good for ten years, one that begins tomorrow."""
    package = asyncio.run(_odd_package(tmp_path / "bob", everybody.relay, days))

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        if isinstance(frame, Claimed) and frame.account == "bob":
            return (changed(frame, packages=((frame.packages[0][0], package),)),)
        return (frame,)

    with Between(everybody.relay, down=down) as between:
        alice = everybody.join("alice", server=between.server)
        number = alice.begin("send", to="@bob", text="hello")
        alice.wait_for("notice", kind="warning", name="bob")
        alice.kill()
        with disk(everybody.relay) as stolen:
            direct = stolen.conversation("")
            assert stolen.messages(direct) == [], f"request {number} was sent"


# 20: the weaker suite, of which it has good packages as well.


def test_a20_a_package_of_a_weaker_suite_is_not_taken(everybody: People) -> None:
    weaker: list[bytes] = []
    lies = [True]

    def up(line: Line, request: Request) -> Iterable[Request]:
        if isinstance(request, Publish) and line.name == "bob" and request.suite == CLASSICAL:
            weaker.extend(request.packages)
        return (request,)

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        if isinstance(frame, Claimed) and frame.account == "bob" and lies:
            device, _ = frame.packages[0]
            return (changed(frame, packages=((device, weaker[0]),)),)
        return (frame,)

    with Between(everybody.relay, up=up, down=down) as between:
        bob = everybody.join("bob", server=between.server)
        wait_until(lambda: bool(weaker), "bob to publish packages of the weaker suite")
        alice = everybody.join("alice", server=between.server)
        alice.say("@bob", "for bob alone", wait="stored")
        alice.wait_for("notice", kind="warning", name="bob")
        assert accounts_in(alice, "@bob") == {"alice"}
        lies.clear()
        bob.hears("@alice", "for bob alone")
        shown = {row["name"]: row["suite"] for row in bob.call("conversations")}
        assert shown == {"#lobby": "hybrid", "@alice": "hybrid"}


def test_a12_a_used_package_opens_nothing(everybody: People) -> None:
    first: list[Claimed] = []

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        if isinstance(frame, Claimed) and frame.account == "bob":
            first.append(frame)
            return (changed(first[0], rid=frame.rid),)
        return (frame,)

    with Between(everybody.relay, down=down) as between:
        bob = everybody.join("bob")
        alice = everybody.join("alice", server=between.server)
        alice.say("@bob", "with the fresh one")
        bob.hears("@alice", "with the fresh one")
        bob.settle()
        carol = everybody.join("carol", server=between.server)
        carol.say("@bob", "with the used one")
        assert first[0].packages != first[1].packages, "the relay gave it twice by itself"
        bob.settle()
        assert ("carol", "with the used one") not in bob.texts("@carol")
        bob.say("@carol", "I could not read that")  # he comes in by himself instead
        carol.hears("@bob", "I could not read that")
        carol.say("@bob", "then again")
        bob.hears("@carol", "then again")


# 15: the relay's key proposes what it likes.


async def _package(folder: Path, relay: Relay) -> KeyPackage:
    async with session(folder, relay, "ghost") as ghost:
        config = ghost._open().keys.leaf_config(ghost._open().context.now_ms() // 1000)
        return KeyPackage.decode(make_key_package(SUITE, config).encoded)


def _proposals(relay: Relay, row: Row, package: KeyPackage) -> Iterator[Proposal]:
    yield Add(package)
    yield GroupContextExtensions(())
    yield GroupContextExtensions((Extension(0xF501, b"\x91\x01"),))
    yield ReInit(row.conversation, 1, 1, ())
    yield external_psk(SUITE, bytes(16))
    yield Remove(1)  # without the data that names the leaf's key


def test_a15_the_relay_can_propose_nothing_but_a_removal(
    garden: tuple[People, JsonClient, JsonClient], tmp_path: Path, no_keyring: None
) -> None:
    everybody, alice, bob = garden
    package = asyncio.run(_package(tmp_path / "ghost", everybody.relay))
    for client in (alice, bob):
        client.settle()
    with disk(everybody.relay) as stolen:
        row = stolen.conversation("garden")
        for proposal in _proposals(everybody.relay, row, package):
            message = external_proposal(everybody.relay, row, proposal)
            stolen.append("garden", message, is_head=True)
        data = RemovalData("bob", bytes(16), bytes(32))
        message = external_proposal(
            everybody.relay, row, Remove(1), authenticated_data=encode_data(data)
        )
        stolen.append("garden", message, is_head=True)
    back(alice, bob)
    goes_on(alice, bob)
    assert accounts_in(alice, GARDEN) == accounts_in(bob, GARDEN) == {"alice", "bob"}


def test_a15_a_removal_without_an_order_shows_as_the_relays(
    garden: tuple[People, JsonClient, JsonClient],
) -> None:
    everybody, alice, bob = garden
    device = bytes.fromhex(bob.call("whoami")["device"])
    with disk(everybody.relay) as stolen:
        row = stolen.conversation("garden")
        leaf, key_hash = stolen.database.execute(
            "SELECT leaf, memberships.key_hash FROM memberships JOIN devices"
            " ON devices.id = memberships.device_id WHERE device = ? AND conversation_id = ?",
            (device, row.id),
        ).fetchone()
        data = encode_data(RemovalData("bob", device, key_hash))
        message = external_proposal(everybody.relay, row, Remove(leaf), authenticated_data=data)
        stolen.append("garden", message, is_head=True)
    back(alice)
    alice.say(GARDEN, "alone now")
    gone = alice.wait_for("membership", conversation=GARDEN, name="bob", change="removed")
    assert gone["by"] == "relay"
    assert accounts_in(alice, GARDEN) == {"alice"}


def test_a15_somebody_elses_key_proposes_nothing(
    garden: tuple[People, JsonClient, JsonClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody, alice, bob = garden
    device = bytes.fromhex(bob.call("whoami")["device"])
    key = everybody.relay.data / "relay.key"
    real = key.read_text()
    with disk(everybody.relay) as stolen:
        row = stolen.conversation("garden")
        [key_hash] = stolen.database.execute(
            "SELECT key_hash FROM devices WHERE device = ?", (device,)
        ).fetchone()
        key.write_text(SigningKey.generate().seed.hex())
        data = encode_data(RemovalData("bob", device, key_hash))
        message = external_proposal(everybody.relay, row, Remove(1), authenticated_data=data)
        key.write_text(real)
        stolen.append("garden", message, is_head=True)
    assert relay_key(everybody.relay).seed.hex() == real.strip()
    back(alice, bob)
    goes_on(alice, bob)
    assert accounts_in(alice, GARDEN) == {"alice", "bob"}


# 17: the Welcome of a commit that did not stand.


def test_a17_the_welcome_of_a_losing_commit_leads_nowhere(everybody: People) -> None:
    lost: list[Append] = []
    inbox: list[InboxEntry] = []

    def up(line: Line, request: Request) -> Iterable[Request]:
        is_first = not lost and line.name == "alice" and isinstance(request, Append)
        if is_first and request.commit is not None and request.commit.welcome is not None:
            lost.append(request)
            entry = InboxEntry(1, request.conversation, 1, request.commit.welcome)
            inbox.append(entry)
            between.line_of("bob").say(InboxPush(entry))
            return ()  # she hears of the conflict once Bob has the Welcome
        return (request,)

    def down(line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        request = answered(line, frame)
        if isinstance(request, GetInbox) and inbox and line.name == "bob":
            between.line_of("alice").say(Conflict(lost[0].rid, 0))
            return (InboxFound(request.rid, (inbox.pop(),), 1),)
        return (frame,)

    with Between(everybody.relay, up=up, down=down) as between:
        bob = everybody.join("bob", server=between.server)
        bob.settle()
        alice = everybody.join("alice", server=between.server)
        alice.settle()
        alice.call("create_room", name="garden", join="invite")
        alice.call("invite", conversation=GARDEN, name="bob")
        assert lost
        goes_on(alice, bob)
        assert accounts_in(alice, GARDEN) == accounts_in(bob, GARDEN) == {"alice", "bob"}


# 19: the relay knows every password.


def test_a19_a_password_opens_no_identity_and_no_message(
    garden: tuple[People, JsonClient, JsonClient],
) -> None:
    everybody, alice, bob = garden
    with disk(everybody.relay) as stolen:
        [sealed] = stolen.database.execute(
            "SELECT sealed_root FROM accounts WHERE name = 'alice'"
        ).fetchone()
    with pytest.raises(PeerError) as refusal:
        open_root(PASSWORD, "alice", sealed)
    assert refusal.value.code == "bad_recovery_code"
    back(alice, bob)
    relays = everybody.open("relays")
    relays.fails(
        "bad_recovery_code",
        "login",
        name="alice",
        password=PASSWORD,
        server=relays.server,
        trust="tofu",
    )
    relays.login("alice", new_identity=True)
    assert bob.wait_for("identity_changed", name="alice")
    bob.fails("identity_changed", "send", to="@alice", text="not for the relay")
    assert not {row["name"] for row in relays.call("conversations")} & {GARDEN, "@bob"}


async def _registered(folder: Path, relay: Relay, password: str, seed: int) -> tuple[str, str]:
    random = Random(seed)
    made = Session(
        Profile(folder),
        server=relay.server,
        trust=relay.fingerprint,
        random=random.randbytes,
    )
    try:
        answer = await made.register("alice", password)
        return answer["device"], answer["recovery_code"]
    finally:
        await made.close()


def test_a19_no_key_depends_on_the_password(tmp_path: Path, no_keyring: None) -> None:
    """The same chance and another password: the same keys."""
    found = []
    for number, password in enumerate(("Tulpen-im-Mai-7", "Rosen-im-Juni-8")):
        (tmp_path / f"r{number}").mkdir()
        with Relay(tmp_path / f"r{number}") as relay:
            folder = tmp_path / f"p{number}"
            found.append(asyncio.run(_registered(folder, relay, password, seed=19)))
    assert found[0] == found[1]
    (tmp_path / "r2").mkdir()
    with Relay(tmp_path / "r2") as relay:
        other = asyncio.run(_registered(tmp_path / "p2", relay, "Tulpen-im-Mai-7", seed=20))
    assert other != found[0]
