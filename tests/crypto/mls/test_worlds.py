"""Groups in which anything may happen next: every member is always in the same state.

Each member also has a store that gets changed rows alone, and may be reloaded from it at any time.
"""

import random
from dataclasses import dataclass, field

import pytest

from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_remove, new_member_proposal
from crypto.mls.group import (
    Group,
    OwnCommit,
    WireFormat,
    changed_rows,
    external_draft,
    from_rows,
    open_welcome,
    rows,
    tree_objects,
)
from crypto.mls.proposals import GroupContextExtensions, Remove
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_object import missing_objects
from tests.crypto.mls.clients import (
    EXTENSION,
    RELAY,
    add,
    config,
    founded,
    key_package,
    relay_extension,
    signing_key,
)

PSK_ID, PSK = b"password 1", b"\x07" * 32


@dataclass
class World:
    """A group seen by all its members, each with a store that it writes by changed rows alone."""

    seed: int
    groups: dict[str, Group] = field(default_factory=dict)
    stores: dict[str, dict[str, bytes]] = field(default_factory=dict)
    objects: dict[bytes, bytes] = field(default_factory=dict)
    group_info: bytes = b""
    born: int = 1

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.keep("m0", founded("m0"))
        self.publish(self.groups["m0"], self.groups["m0"].signed_group_info(signing_key("m0")))

    def keep(self, name: str, group: Group) -> None:
        """Store as the engine would: only what changed."""
        old = self.groups.get(name)
        if old is None:
            self.stores[name] = rows(group)
        else:
            put, gone = changed_rows(old, group)
            assert not put.keys() & gone
            self.stores[name].update(put)
            for row in gone:
                del self.stores[name][row]
        assert self.stores[name] == rows(group)
        self.groups[name] = group

    def publish(self, group: Group, group_info: bytes) -> None:
        self.group_info = group_info
        self.objects |= {SUITE_1.hash(data): data for data in tree_objects(group)}

    def someone(self) -> str:
        return self.random.choice(sorted(self.groups))

    def form(self) -> WireFormat:
        """How a handshake travels: encrypted or in the open."""
        return self.random.choice((WireFormat.PRIVATE_MESSAGE, WireFormat.PUBLIC_MESSAGE))

    def newborn(self) -> str:
        self.born += 1
        return f"m{self.born}"

    def tree(self, root_hash: bytes) -> RatchetTree:
        assert missing_objects(root_hash, self.objects) == set()
        return RatchetTree.from_objects(SUITE_1, root_hash, self.objects)

    def committed(self, name: str, commit: OwnCommit, old: Group | None) -> None:
        """Everybody takes the Commit; whoever it removes leaves the world."""
        self.publish_changes(commit.group, old)
        self.group_info = commit.group_info
        for other in sorted(self.groups.keys() - {name}):
            staged = self.groups[other].stage(commit.message, psks={PSK_ID: PSK})
            assert staged.changes == commit.changes
            if staged.removed:
                del self.groups[other], self.stores[other]
                continue
            assert staged.group is not None
            self.keep(other, staged.group)
        if old is None and name in self.groups:
            del self.groups[name]
        self.keep(name, commit.group)

    def publish_changes(self, new: Group, old: Group | None) -> None:
        changed = tree_objects(new, old)
        self.objects |= {SUITE_1.hash(data): data for data in changed}
        assert missing_objects(new.tree_hash, self.objects) == set()

    def check(self) -> None:
        groups = list(self.groups.values())
        assert len({group.epoch_authenticator for group in groups}) == 1
        assert len({group.tree_hash for group in groups}) == 1
        assert len({group.export_secret("label", b"context", 32) for group in groups}) == 1
        members = {m.leaf_index: m.credential.identity.decode() for m in groups[0].members()}
        assert members == {group.own_leaf: name for name, group in self.groups.items()}

    # What can happen.

    def reload(self) -> None:
        name = self.someone()
        loaded = from_rows(self.stores[name])
        assert rows(loaded) == self.stores[name]
        self.groups[name] = loaded

    def talk(self) -> None:
        name = self.someone()
        group, message = self.groups[name].protect(b"hello", signer=signing_key(name), padding=9)
        self.keep(name, group)
        for other in self.groups.keys() - {name}:
            after, said = self.groups[other].unprotect(message)
            self.keep(other, after)
            assert (said.sender_leaf, said.data) == (group.own_leaf, b"hello")

    def add(self) -> None:
        name, new = self.someone(), [self.newborn() for _ in range(self.random.randint(1, 3))]
        old, packages = self.groups[name], {n: key_package(n) for n in new}
        draft = old.draft([add(own) for own in packages.values()], path=self.random.random() < 0.5)
        commit = draft.finish(signer=signing_key(name))
        self.committed(name, commit, old)
        for joiner, own in packages.items():
            assert commit.welcome is not None
            opened = open_welcome(commit.welcome, {own.reference: own})
            self.keep(joiner, opened.join(self.tree(opened.tree_hash)))

    def join_from_outside(self) -> None:
        name, old = self.newborn(), self.groups[self.someone()]
        draft = external_draft(
            self.group_info,
            self.tree(old.tree_hash),
            config=config(name),
            psk_ids=[PSK_ID],
            psks={PSK_ID: PSK},
        )
        self.committed(name, draft.finish(signer=signing_key(name)), None)

    def resync(self) -> None:
        name = self.someone()
        old = self.groups.pop(name)
        draft = external_draft(
            self.group_info,
            self.tree(old.tree_hash),
            config=config(name),
            remove_leaf=old.own_leaf,
        )
        commit = draft.finish(signer=signing_key(name))
        assert [change.kind for change in commit.changes] == ["removed", "added"]
        self.committed(name, commit, None)

    def refresh(self) -> None:
        name = self.someone()
        old = self.groups[name]
        commit = old.draft().finish(signer=signing_key(name), wire_format=self.form())
        self.committed(name, commit, old)

    def remove(self) -> None:
        name = self.someone()
        old = self.groups[name]
        others = [group.own_leaf for other, group in self.groups.items() if other != name]
        if others:
            gone = self.random.sample(others, min(len(others), self.random.randint(1, 2)))
            draft = old.draft([Remove(leaf) for leaf in gone])
            commit = draft.finish(signer=signing_key(name), wire_format=self.form())
            self.committed(name, commit, old)

    def ban(self) -> None:
        if len(self.groups) < 2:
            return
        name, banned = self.random.sample(sorted(self.groups), 2)
        old = self.groups[name]
        message = external_remove(
            suite=SUITE_1,
            group_id=old.group_id,
            epoch=old.epoch,
            leaf_index=self.groups[banned].own_leaf,
            authenticated_data=b"the order",
            signer=RELAY,
        )
        for other, group in list(self.groups.items()):
            self.keep(other, group.receive_proposal(message))
        old = self.groups[name]
        assert old.pending_proposals[0].authenticated_data == b"the order"
        self.committed(name, old.draft().finish(signer=signing_key(name)), old)
        assert banned not in self.groups

    def update_by_proposal(self) -> None:
        if len(self.groups) < 2:
            return
        name, other = self.random.sample(sorted(self.groups), 2)
        proposed, message = self.groups[name].propose_update(
            config(name), signer=signing_key(name), wire_format=self.form()
        )
        self.keep(name, proposed)
        for third in self.groups.keys() - {name}:
            self.keep(third, self.groups[third].receive_proposal(message))
        old = self.groups[other]
        self.committed(other, old.draft().finish(signer=signing_key(other)), old)

    def ask_to_be_added(self) -> None:
        name, new = self.someone(), self.newborn()
        own = key_package(new)
        message = new_member_proposal(
            add(own).key_package,
            suite=SUITE_1,
            group_id=self.groups[name].group_id,
            epoch=self.groups[name].epoch,
            authenticated_data=b"",
            signer=signing_key(new),
        )
        for other, group in list(self.groups.items()):
            self.keep(other, group.receive_proposal(message))
        old = self.groups[name]
        commit = old.draft().finish(signer=signing_key(name), tree_in_welcome=True)
        self.committed(name, commit, old)
        assert commit.welcome is not None
        self.keep(new, open_welcome(commit.welcome, {own.reference: own}).join())

    def change_extensions(self) -> None:
        name = self.someone()
        old = self.groups[name]
        data = self.random.randbytes(3)
        proposal = GroupContextExtensions((relay_extension(), Extension(EXTENSION, data)))
        self.committed(name, old.draft([proposal]).finish(signer=signing_key(name)), old)
        assert self.groups[name].extension(EXTENSION) == data


EVENTS = (
    World.reload,
    World.talk,
    World.talk,
    World.add,
    World.join_from_outside,
    World.resync,
    World.refresh,
    World.refresh,
    World.remove,
    World.ban,
    World.update_by_proposal,
    World.ask_to_be_added,
    World.change_extensions,
)


@pytest.mark.parametrize("seed", range(12))
def test_members_agree_and_stores_reload_whatever_happens(seed: int) -> None:
    world = World(seed)
    for _ in range(30):
        world.random.choice(EVENTS)(world)
        world.check()
