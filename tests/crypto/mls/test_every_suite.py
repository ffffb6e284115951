"""The life of a group in every suite: nothing above suite.py may take a size or a key for given."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from crypto.errors import PeerError
from crypto.mls.credential import Credential
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import ExternalSender, external_senders_extension
from crypto.mls.external_proposal import external_remove
from crypto.mls.group import (
    Group,
    InvalidCommit,
    LeafConfig,
    OwnKeyPackage,
    changed_rows,
    create,
    external_draft,
    from_rows,
    make_key_package,
    open_welcome,
    rows,
)
from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.proposals import Add, PreSharedKey, Remove, external_psk
from crypto.mls.psk import ResumptionPskId, ResumptionUsage, fresh_nonce
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, SUITE_3, SUITE_HYBRID, SUITES, Signer, Suite

ALL = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
PSKS = {b"room": b"a key that all know"}


@dataclass
class World:
    """Who is in a group of one suite, each in its own state; all of them follow every Commit."""

    suite: Suite
    signers: dict[str, Signer] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def config(self, name: str) -> LeafConfig:
        seeded = random.Random(name + self.suite.name).randbytes
        self.signers[name] = self.suite.generate_signer(random=seeded)
        return LeafConfig(self.signers[name], Credential.basic(name.encode()))

    def key_package(self, name: str) -> OwnKeyPackage:
        own = make_key_package(self.suite, self.config(name))
        validate(KeyPackage.decode(own.encoded), now_s=1, max_lifetime_s=2**64)
        return OwnKeyPackage.from_bytes(own.to_bytes())

    def committed(self, name: str, commit: OwnCommit[Group]) -> None:
        followers = {who: group for who, group in self.groups.items() if who != name}
        self.groups = {name: commit.group}
        for who, group in followers.items():
            after = group.stage(commit.message, psks=PSKS).group
            if after is not None:
                put, gone = changed_rows(group, after)
                stored = {k: row for k, row in rows(group).items() if k not in gone} | put
                self.groups[who] = from_rows(stored)
        self.check()

    def check(self) -> None:
        assert len({group.epoch_authenticator for group in self.groups.values()}) == 1
        assert len({group.export_secret("x", b"y", 99) for group in self.groups.values()}) == 1
        for sender, group in self.groups.items():
            self.groups[sender], sealed = group.protect(b"hello", signer=self.signers[sender])
            for receiver in self.groups.keys() - {sender}:
                self.groups[receiver], opened = self.groups[receiver].unprotect(sealed)
                assert opened.data == b"hello"


@pytest.fixture
def world(suite: Suite) -> World:
    """Alice, who founded the group, and Bob and Carol, whom she added."""
    made = World(suite)
    config = made.config("alice")
    relay = suite.generate_signer(random=random.Random("relay").randbytes)
    made.signers["relay"] = relay
    senders = external_senders_extension([ExternalSender(relay.public, Credential.basic(b"r"))])
    alice, _ = create(suite=suite, group_id=b"g" * 16, config=config, extensions=[senders])
    packages = {name: made.key_package(name) for name in ("bob", "carol")}
    adds = [Add(KeyPackage.decode(own.encoded)) for own in packages.values()]
    commit = alice.draft(adds).finish(signer=made.signers["alice"])
    made.groups = {"alice": commit.group}
    tree = RatchetTree.decode(suite, commit.group.tree.encode())
    for name, own in packages.items():
        assert commit.welcome is not None
        made.groups[name] = open_welcome(commit.welcome, {own.reference: own}).join(tree)
    made.check()
    return made


@ALL
def test_members_come_and_go(world: World) -> None:
    bob = world.groups["bob"]
    world.groups["bob"], update = bob.propose_update(
        world.config("bob"), signer=world.signers["bob"]
    )
    for name in ("alice", "carol"):
        world.groups[name] = world.groups[name].receive_proposal(update)
    own = world.key_package("dora")
    commit = (
        world.groups["alice"]
        .draft([Add(KeyPackage.decode(own.encoded))])
        .finish(signer=world.signers["alice"])
    )
    world.committed("alice", commit)
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    world.groups["dora"] = opened.join(commit.group.tree)
    world.check()
    world.committed(
        "dora", world.groups["dora"].draft([Remove(1)]).finish(signer=world.signers["dora"])
    )
    assert world.groups.keys() == {"alice", "carol", "dora"}


@ALL
def test_pre_shared_keys_count(world: World) -> None:
    alice, suite = world.groups["alice"], world.suite
    past = ResumptionPskId(
        ResumptionUsage.APPLICATION, alice.group_id, alice.epoch, nonce=fresh_nonce(suite)
    )
    draft = alice.draft([external_psk(suite, b"room"), PreSharedKey(past)], psks=PSKS)
    world.committed("alice", draft.finish(signer=world.signers["alice"]))


@ALL
def test_somebody_joins_from_outside_and_comes_back(world: World) -> None:
    config = world.config("erin")
    for leaf in (None, 3):
        alice = world.groups["alice"]
        info = alice.signed_group_info(world.signers["alice"])
        draft = external_draft(
            info,
            RatchetTree.decode(world.suite, alice.tree.encode()),
            config=config,
            remove_leaf=leaf,
            psk_ids=[b"room"],
            psks=PSKS,
        )
        world.groups.pop("erin", None)
        world.committed("erin", draft.finish(signer=world.signers["erin"]))
    assert [member.leaf_index for member in world.groups["bob"].members()] == [0, 1, 2, 3]


@ALL
def test_an_external_sender_is_heard(world: World) -> None:
    alice = world.groups["alice"]
    asked = external_remove(
        suite=world.suite,
        group_id=alice.group_id,
        epoch=alice.epoch,
        leaf_index=2,
        authenticated_data=b"",
        signer=world.signers["relay"],
    )
    world.groups = {n: group.receive_proposal(asked) for n, group in world.groups.items()}
    world.committed("alice", world.groups["alice"].draft([]).finish(signer=world.signers["alice"]))
    assert world.groups.keys() == {"alice", "bob"}


@pytest.mark.parametrize("suite", [SUITE_1], ids=lambda suite: suite.name)
@pytest.mark.parametrize("other", [SUITE_3, SUITE_HYBRID], ids=lambda other: other.name)
def test_a20_nobody_comes_in_with_another_suite(world: World, other: Suite) -> None:
    # Both have Ed25519, and suite 3 the same KEM: only the number tells them apart.
    package = World(other).key_package("dora")
    add = Add(KeyPackage.decode(package.encoded))
    with pytest.raises(PeerError) as caught:
        world.groups["alice"].draft([add])
    assert caught.value.code == "VAL-10.1-1"
    elsewhere = World(other)
    elsewhere.groups["alice"], _ = create(
        suite=other, group_id=b"g" * 16, config=elsewhere.config("alice"), extensions=()
    )
    commit = elsewhere.groups["alice"].draft([]).finish(signer=elsewhere.signers["alice"])
    with pytest.raises(InvalidCommit):
        world.groups["bob"].stage(commit.message)
    with pytest.raises(PeerError) as caught:
        external_draft(
            commit.group_info,
            RatchetTree.decode(SUITE_1, world.groups["alice"].tree.encode()),
            config=world.config("erin"),
        )
    assert caught.value.code == "VAL-12.4.3.1-2"
