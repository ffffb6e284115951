"""One small group, the same in each run: five members, several epochs, and proposals pending.

Every random byte comes from a seed, so whatever a fuzzer finds can be played again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_remove, new_member_proposal
from crypto.mls.group import Group, OwnCommit, OwnKeyPackage, create, make_key_package, open_welcome
from crypto.mls.hpke import Random
from crypto.mls.proposals import Proposal, Remove, external_psk
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import EXTENSION, RELAY, add, config, relay_extension, signing_key

PSK_ID, PSK = b"password 1", b"\x07" * 32
PSKS = {PSK_ID: PSK}
NAMES = ("alice", "bob", "carol", "dora", "erin", "frank", "grace", "heidi")


def seeded(seed: int) -> Random:
    return random.Random(seed).randbytes


@dataclass(frozen=True)
class World:
    """Members in one epoch without and, in `pending`, with proposals; newcomers wait outside."""

    members: dict[str, Group]
    pending: dict[str, Group]
    newcomers: dict[str, OwnKeyPackage]


@cache
def world() -> World:
    rng = seeded(1)
    extensions = (relay_extension(), Extension(EXTENSION, b"policy"))
    founder, _ = create(
        suite=SUITE_1, group_id=b"g" * 32, config=config("alice"), extensions=extensions, random=rng
    )
    members = {"alice": founder}
    members = _after(members, "alice", _adds("bob", "carol", "dora", "erin", rng=rng), rng=rng)
    members = _after(members, "bob", {}, rng=rng)
    members = _after(members, "erin", {}, [Remove(2)], rng=rng)
    members = _after(members, "bob", _adds("frank", "carol", rng=rng), rng=rng, path=False)
    members = _after(members, "carol", {}, [external_psk(SUITE_1, PSK_ID, random=rng)], rng=rng)
    newcomers = {name: make_key_package(SUITE_1, config(name), random=rng) for name in NAMES[-2:]}
    return World(members, _pending(members, newcomers, rng), newcomers)


def _adds(*names: str, rng: Random) -> dict[str, OwnKeyPackage]:
    return {name: make_key_package(SUITE_1, config(name), random=rng) for name in names}


def _after(
    members: dict[str, Group],
    committer: str,
    added: dict[str, OwnKeyPackage],
    proposals: list[Proposal] = [],  # noqa: B006
    *,
    rng: Random,
    path: bool = True,
) -> dict[str, Group]:
    wanted = [*(add(own) for own in added.values()), *proposals]
    draft = members[committer].draft(wanted, psks=PSKS, path=path, random=rng)
    commit: OwnCommit = draft.finish(signer=signing_key(committer), random=rng)
    after = {committer: commit.group}
    for name, group in members.items():
        if name != committer:
            staged = group.stage(commit.message, psks=PSKS)
            if staged.group is not None:
                after[name] = staged.group
    for name, own in added.items():
        assert commit.welcome is not None
        opened = open_welcome(commit.welcome, {own.reference: own}, psks=PSKS)
        after[name] = opened.join(commit.group.tree)
    return after


def _pending(
    members: dict[str, Group], newcomers: dict[str, OwnKeyPackage], rng: Random
) -> dict[str, Group]:
    """The same epoch after an Update, an Add, a relay's Remove and a newcomer's own Add."""
    after = dict(members)
    carol, erin, alice = signing_key("carol"), signing_key("erin"), members["alice"]
    after["carol"], update = after["carol"].propose_update(
        config("carol"), signer=carol, random=rng
    )
    after["erin"], joining = after["erin"].propose(add(newcomers["grace"]), signer=erin, random=rng)
    removal = external_remove(
        suite=SUITE_1,
        group_id=alice.group_id,
        epoch=alice.epoch,
        leaf_index=members["dora"].own_leaf,
        authenticated_data=b"the order",
        signer=RELAY,
    )
    asking = new_member_proposal(
        add(newcomers["heidi"]).key_package,
        suite=SUITE_1,
        group_id=alice.group_id,
        epoch=alice.epoch,
        authenticated_data=b"",
        signer=signing_key("heidi"),
    )
    messages = [("carol", update), ("erin", joining), ("", removal), ("", asking)]
    for sender, message in messages:
        for name in after:
            if name != sender:
                after[name] = after[name].receive_proposal(message)
    return after
