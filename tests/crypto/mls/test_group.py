"""Whole groups: whatever happens, all members are in the same state, and so is what they stored."""

import random
from dataclasses import dataclass, field

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_remove
from crypto.mls.framing import PrivateMessage
from crypto.mls.group import (
    Group,
    InvalidCommit,
    OwnCommit,
    StagedCommit,
    UnusablePath,
    changed_rows,
    create,
    external_draft,
    from_rows,
    open_welcome,
    rows,
    tree_objects,
)
from crypto.mls.messages import decode_message
from crypto.mls.private_message import open_sender_data
from crypto.mls.proposals import GroupContextExtensions, Remove, external_psk
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_object import missing_objects
from tests.crypto.mls.clients import (
    EXTENSION,
    RELAY,
    add,
    config,
    founded,
    group_of,
    key_package,
    relay_extension,
    signing_key,
    tree_of,
    welcomed,
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
        self.committed(name, old.draft().finish(signer=signing_key(name)), old)

    def remove(self) -> None:
        name = self.someone()
        old = self.groups[name]
        others = [group.own_leaf for other, group in self.groups.items() if other != name]
        if others:
            gone = self.random.sample(others, min(len(others), self.random.randint(1, 2)))
            draft = old.draft([Remove(leaf) for leaf in gone])
            self.committed(name, draft.finish(signer=signing_key(name)), old)

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
        proposed, message = self.groups[name].propose_update(config(name), signer=signing_key(name))
        self.keep(name, proposed)
        for third in self.groups.keys() - {name}:
            self.keep(third, self.groups[third].receive_proposal(message))
        old = self.groups[other]
        self.committed(other, old.draft().finish(signer=signing_key(other)), old)

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
    World.change_extensions,
)


@pytest.mark.parametrize("seed", range(12))
def test_members_agree_and_stores_reload_whatever_happens(seed: int) -> None:
    world = World(seed)
    for _ in range(30):
        world.random.choice(EVENTS)(world)
        world.check()


def test_a_group_of_one_works() -> None:
    group = founded()
    assert (group.epoch, group.confirmed_transcript_hash) == (0, b"")
    group = group.draft().finish(signer=signing_key("alice")).group
    assert [member.leaf_index for member in group.members()] == [0]
    group, message = group.protect(b"alone", signer=signing_key("alice"))
    assert from_rows(rows(group)).epoch_authenticator == group.epoch_authenticator
    with pytest.raises(PeerError):
        group.unprotect(message)  # its own key is consumed


def test_the_only_member_can_be_replaced_by_a_resync() -> None:
    alice = founded()
    info = alice.signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(alice), config=config("alice"), remove_leaf=0)
    commit = draft.finish(signer=signing_key("alice"))
    assert [member.leaf_index for member in commit.group.members()] == [0]
    assert alice.stage(commit.message).removed


def test_a_draft_tells_where_newcomers_land() -> None:
    alice = group_of("alice", "bob", "carol")["alice"]
    draft = alice.draft([Remove(1), add(key_package("dave")), add(key_package("erin"))])
    described = [(change.kind, change.leaf_index) for change in draft.changes]
    assert described == [("removed", 1), ("added", 1), ("added", 3)]
    assert draft.changes[0].member == alice.member(1)
    commit = draft.finish(signer=signing_key("alice"))
    assert commit.changes == draft.changes
    for change in draft.changes[1:]:
        assert commit.group.member(change.leaf_index) == change.member


def test_a_refused_commit_leaves_the_state_and_its_key_unused() -> None:
    members = group_of("alice", "bob")
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    again = commit.group_if_refused
    assert again is not None
    assert again.epoch == members["alice"].epoch
    second = again.draft().finish(signer=signing_key("alice"))
    assert members["bob"].stage(second.message).group is not None
    generations = []
    for message in (commit.message, second.message):
        sealed = decode_message(message)
        assert isinstance(sealed, PrivateMessage)
        secret = again.secrets.sender_data
        generations.append(open_sender_data(SUITE_1, sealed, secret).generation)
    assert generations == [0, 1]  # never two Commits under one key


def test_two_losing_commits_change_nothing() -> None:
    members = group_of("alice", "bob", "carol")
    alices = members["alice"].draft().finish(signer=signing_key("alice"))
    bobs = members["bob"].draft().finish(signer=signing_key("bob"))
    carol = members["carol"].stage(alices.message).group
    assert carol is not None
    with pytest.raises(InvalidCommit) as refused:
        carol.stage(bobs.message)
    assert refused.value.code == "wrong_epoch"
    assert alices.group.epoch_authenticator == carol.epoch_authenticator


def test_the_committers_new_signature_key_counts_from_the_next_epoch() -> None:
    members = group_of("alice", "bob")
    rotated = config("alice2")
    commit = members["alice"].draft(config=rotated).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message)
    assert staged.old_member is not None
    assert staged.path_leaf is not None
    assert staged.old_member.signature_key == signing_key("alice").public
    assert staged.path_leaf.signature_key == rotated.signer.public
    alice, message = commit.group.protect(b"new", signer=rotated.signer)
    assert staged.group is not None
    assert staged.group.unprotect(message)[1].data == b"new"
    with pytest.raises(UsageError):
        alice.protect(b"old", signer=signing_key("alice"))


def test_a_resync_of_the_sender_shows_who_was_replaced() -> None:
    members = group_of("alice", "bob", "carol")
    info = members["alice"].signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(members["alice"]), config=config("bob"), remove_leaf=1)
    staged: StagedCommit = members["carol"].stage(draft.finish(signer=signing_key("bob")).message)
    assert staged.old_member == members["alice"].member(1)
    assert staged.path_leaf == draft.changes[1].member
    assert staged.sender.index == 1


def test_a16_nobody_sends_while_a_removal_is_pending() -> None:
    members = group_of("alice", "bob", "carol")
    message = external_remove(
        suite=SUITE_1,
        group_id=members["alice"].group_id,
        epoch=members["alice"].epoch,
        leaf_index=2,
        authenticated_data=b"",
        signer=RELAY,
    )
    alice = members["alice"].receive_proposal(message)
    assert alice.receive_proposal(message) is alice  # the same one counts once
    with pytest.raises(UsageError):
        alice.protect(b"too early", signer=signing_key("alice"))
    carol = members["carol"].receive_proposal(message)
    assert carol.draft().changes == ()  # she cannot commit her own removal
    after = alice.draft().finish(signer=signing_key("alice")).group
    assert [member.leaf_index for member in after.members()] == [0, 1]
    after.protect(b"now", signer=signing_key("alice"))


def test_a_bad_pending_proposal_does_not_keep_others_from_being_committed() -> None:
    members = group_of("alice", "bob", "carol")
    bob, message = members["bob"].propose(
        external_psk(SUITE_1, b"unknown to others"), signer=signing_key("bob")
    )
    alice = members["alice"].receive_proposal(message)
    _, update = bob.propose_update(config("bob"), signer=signing_key("bob"))
    alice = alice.receive_proposal(update)
    draft = alice.draft()
    assert [one.reference for one in draft.resolved] == [alice.pending_proposals[1].reference]
    assert alice.draft(include_pending=False).resolved == ()
    assert alice.without_pending().pending_proposals == ()


def test_a_wrong_room_password_is_refused_by_each_member() -> None:
    members = group_of("alice", "bob")
    alice = members["alice"]
    draft = external_draft(
        alice.signed_group_info(signing_key("alice")),
        tree_of(alice),
        config=config("mallory"),
        psk_ids=[PSK_ID],
        psks={PSK_ID: b"guess" * 6 + b"ed"},
    )
    commit = draft.finish(signer=signing_key("mallory"))
    for group in members.values():
        with pytest.raises(InvalidCommit) as refused:
            group.stage(commit.message, psks={PSK_ID: PSK})
        assert refused.value.code == "bad_confirmation_tag"


def test_an_own_commit_is_merged_not_staged() -> None:
    alice = group_of("alice", "bob")["alice"]
    commit = alice.draft().finish(signer=signing_key("alice"))
    with pytest.raises(UnusablePath) as refused:
        alice.stage(commit.message)
    assert refused.value.code == "own_commit"


def test_the_welcome_carries_what_only_newcomers_may_know() -> None:
    alice, own = founded(), key_package("bob")
    secret = Extension(0xF300, b"the room's password key")
    draft = alice.draft([add(own)])
    commit = draft.finish(signer=signing_key("alice"), welcome_extensions=[secret])
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    assert opened.group_info.extensions == (secret,)
    assert secret.data not in commit.welcome + commit.group_info + commit.message
    assert opened.reference == own.reference
    assert welcomed(commit, own).epoch_authenticator == commit.group.epoch_authenticator


def test_damaged_rows_are_found() -> None:
    stored = rows(group_of("alice", "bob")["alice"])
    for missing in ("epoch", "keys", "pending", "node/0/1"):
        with pytest.raises(PeerError) as found:
            from_rows({name: row for name, row in stored.items() if name != missing})
        assert found.value.code == "malformed"


def test_a_message_changes_a_few_rows_however_large_the_group() -> None:
    members = group_of(*(f"m{number}" for number in range(33)))
    first, message = members["m0"].protect(b"1", signer=signing_key("m0"))
    second, _ = first.protect(b"2", signer=signing_key("m0"))
    put, gone = changed_rows(first, second)
    assert (len(put), len(gone)) == (1, 0)
    reader, _ = members["m32"].unprotect(message)
    put, gone = changed_rows(members["m32"], reader)
    assert len(put) < 12
    assert len(gone) < 12


def test_a_repr_shows_no_secret() -> None:
    group = founded()
    shown = repr(group)
    assert repr(group.secrets.init) not in shown
    assert repr(group.private_keys[0]) not in shown
    own = key_package("bob")
    assert repr(own.init_private) not in repr(own)
    assert repr(own.encryption_private) not in repr(own)


def test_extensions_of_a_new_group_have_to_be_supported_by_its_founder() -> None:
    with pytest.raises(PeerError) as refused:
        create(
            suite=SUITE_1,
            group_id=b"g",
            config=config("alice"),
            extensions=[Extension(0xF999, b"")],
        )
    assert refused.value.code == "VAL-13.4-2"
