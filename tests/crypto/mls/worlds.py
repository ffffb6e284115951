"""A group as all its members see it, each with a store that gets changed rows alone.

Whoever is asked to do something does it as the engine would: stores first, sends then, and merges
its own Commit when that has won. Whatever a member does, it does as well after a restart: the two
have to come to the same. Every random byte comes from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

import pytest

from crypto.errors import PeerError
from crypto.mls.group import (
    Draft,
    Group,
    LeafConfig,
    OwnCommit,
    OwnKeyPackage,
    WireFormat,
    changed_rows,
    external_draft,
    from_rows,
    make_key_package,
    next_epoch_rows,
    open_welcome,
    rows,
    tree_objects,
)
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_object import missing_objects
from tests.crypto.mls.clients import config, founded, signing_key

PSK_ID, PSK = b"password 1", b"\x07" * 32
PSKS = {PSK_ID: PSK}
# How many of those who were removed go on listening.
_GHOSTS = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """An application message on its way."""

    sender_leaf: int
    epoch: int
    message: bytes
    data: bytes


@dataclass
class Member:
    """One device: its state, its store, and the messages that it has and has not read."""

    config: LeafConfig
    group: Group
    store: dict[str, bytes]
    unread: list[Sent] = field(default_factory=list)
    read: list[Sent] = field(default_factory=list)


@dataclass(frozen=True)
class Made:
    """A Commit that is not accepted yet: what its maker keeps for when it is, and its newcomers."""

    commit: OwnCommit
    config: LeafConfig
    put: dict[str, bytes]
    gone: set[str]
    newcomers: tuple[str, ...]
    has_tree: bool


class World:
    """Members of one group by name, the Commits that wait, and who was removed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.randbytes = self._random.randbytes
        self.members: dict[str, Member] = {}
        self.ghosts: list[Group] = []
        self.made: dict[str, Made] = {}
        self.packages: dict[str, OwnKeyPackage] = {}
        self.objects: dict[bytes, bytes] = {}
        self.born = 0
        founder = founded(self.newborn(), random=self.randbytes)
        self._comes("m1", config("m1"), founder)
        self._publish(founder, founder.signed_group_info(signing_key("m1")))

    # Who there is.

    def newborn(self) -> str:
        self.born += 1
        return f"m{self.born}"

    def names(self) -> list[str]:
        return sorted(self.members, key=lambda name: int(name[1:]))

    def group(self, name: str) -> Group:
        return self.members[name].group

    def _comes(self, name: str, own: LeafConfig, group: Group) -> None:
        self.members[name] = Member(own, group, rows(group))

    # What each does by itself.

    def do(self, name: str, act: Callable[[Group], T]) -> T:
        """What comes of it; the same has to come of it in the state that the store gives."""
        member, before = self.members[name], self._random.getstate()
        loaded = from_rows(member.store)
        expected = _outcome(act, loaded)
        self._random.setstate(before)
        found = _outcome(act, member.group)
        assert _plain(found) == _plain(expected)
        if isinstance(found, PeerError):
            raise found
        return found

    def keep(self, name: str, group: Group) -> None:
        """Store what changed and nothing else; it has to be all that there is to store."""
        member = self.members[name]
        put, gone = changed_rows(member.group, group)
        assert not put.keys() & gone
        member.store.update(put)
        for row in gone:
            del member.store[row]
        assert member.store == rows(group)
        member.group = group

    def crash(self, name: str) -> None:
        """Lose what is in memory."""
        member = self.members[name]
        member.group = from_rows(member.store)

    # Messages.

    def speak(self, name: str, padding: int, *, arrives: bool = True) -> None:
        signer, data = self.members[name].config.signer, self.randbytes(5)
        group, message = self.do(
            name,
            lambda own: own.protect(data, signer=signer, padding=padding, random=self.randbytes),
        )
        self.keep(name, group)
        if not arrives:
            return
        self._leaves(message)
        sent = Sent(group.own_leaf, group.epoch, message, data)
        for other in self.members.keys() - {name}:
            self.members[other].unread.append(sent)

    def read(self, name: str, place: int, *, crashes: bool = False) -> None:
        """Read one of the unread messages, in any order; those of earlier epochs are lost.

        Whoever crashes before it has stored that it read one, reads it again.
        """
        member = self.members[name]
        sent = member.unread.pop(place)
        if sent.epoch != member.group.epoch:
            assert self._refusal(name, sent.message) == "wrong_epoch"
            return
        for _ in range(1 + crashes):
            group, said = self.do(name, lambda own: own.unprotect(sent.message))
            assert (said.sender_leaf, said.data) == (sent.sender_leaf, sent.data)
        self.keep(name, group)
        member.read.append(sent)

    def read_again(self, name: str, place: int) -> None:
        """A message is read once: neither its key nor that of its epoch is there any more."""
        member = self.members[name]
        sent = member.read[place]
        is_consumed = sent.epoch == member.group.epoch
        code = "key_consumed" if is_consumed else "wrong_epoch"
        assert self._refusal(name, sent.message) == code

    def _refusal(self, name: str, message: bytes) -> str:
        with pytest.raises(PeerError) as refused:
            self.do(name, lambda own: own.unprotect(message))
        return refused.value.code

    def propose(self, name: str, act: Callable[[Group], tuple[Group, bytes]]) -> None:
        """A member's proposal reaches everybody."""
        group, message = self.do(name, act)
        self.keep(name, group)
        self.receive_proposal(message, besides=name)

    def receive_proposal(self, message: bytes, *, besides: str = "") -> None:
        self._leaves(message)
        for other in self.members.keys() - {besides}:
            self.keep(other, self.do(other, lambda own: own.receive_proposal(message)))

    # Commits.

    def make(
        self, name: str, act: Callable[[Group], Draft], own: LeafConfig, *, in_the_open: bool
    ) -> None:
        """Sign a Commit and keep it beside the state without the key that its message took."""
        signer = self.members[name].config.signer

        def draft_and_commit(group: Group) -> tuple[OwnCommit, tuple[bytes, ...]]:
            draft = act(group)
            added = (package.leaf_node.credential for _, package in draft.applied.added)
            newcomers = tuple(credential.identity for credential in added)
            commit = draft.finish(
                signer=signer,
                wire_format=wire_format(in_the_open),
                tree_in_welcome=in_the_open,
                random=self.randbytes,
            )
            return commit, newcomers

        commit, newcomers = self.do(name, draft_and_commit)
        assert commit.group_if_refused is not None
        put, gone = changed_rows(commit.group_if_refused, commit.group)
        self.keep(name, commit.group_if_refused)
        names = tuple(identity.decode() for identity in newcomers)
        self.made[name] = Made(commit, own, put, gone, names, has_tree=in_the_open)

    def accept(self, name: str, *, crashes: bool) -> None:
        """A Commit wins: its maker merges it, the others follow it, and all others are refused."""
        won, member = self.made.pop(name), self.members[name]
        old, member.store = member.group, next_epoch_rows(member.store, won.put, won.gone)
        assert member.store == rows(won.commit.group)
        member.group = from_rows(member.store) if crashes else won.commit.group
        member.config = won.config
        self._follow(name, won.commit, old)
        for joiner in won.newcomers:
            assert won.commit.welcome is not None
            own = self.packages[joiner]
            opened = open_welcome(won.commit.welcome, {own.reference: own}, psks=PSKS)
            tree = None if won.has_tree else self._tree(opened.tree_hash)
            self._comes(joiner, config(joiner), opened.join(tree))

    def join(self, name: str, *, replaces: str | None, psk_ids: Sequence[bytes]) -> None:
        """Come in from outside, instead of an old leaf if there is one."""
        own, someone = config(name), self.group(self.names()[0])
        draft = external_draft(
            self.group_info,
            self._tree(someone.tree_hash),
            config=own,
            remove_leaf=None if replaces is None else self.group(replaces).own_leaf,
            psk_ids=psk_ids,
            psks=PSKS,
            random=self.randbytes,
        )
        commit = draft.finish(signer=own.signer, random=self.randbytes)
        if replaces is not None:
            del self.members[replaces]
        self._follow(name, commit, None)
        self._comes(name, own, commit.group)

    def a_key_package(self) -> OwnKeyPackage:
        """Of somebody who will join when it is used."""
        name = self.newborn()
        self.packages[name] = make_key_package(SUITE_1, config(name), random=self.randbytes)
        return self.packages[name]

    def _tree(self, root_hash: bytes) -> RatchetTree:
        """The tree as a newcomer gets it who walks from its hash."""
        assert missing_objects(root_hash, self.objects) == set()
        return RatchetTree.from_objects(SUITE_1, root_hash, self.objects)

    def _follow(self, name: str, commit: OwnCommit, old: Group | None) -> None:
        self._leaves(commit.message)
        for other in self.members.keys() - {name}:
            staged = self.do(other, lambda own: own.stage(commit.message, psks=PSKS))
            assert staged.changes == commit.changes
            if staged.group is None:
                self.ghosts = [*self.ghosts, self.members.pop(other).group][-_GHOSTS:]
            else:
                self.keep(other, staged.group)
        for lost in self.made.values():
            with pytest.raises(PeerError, match="wrong_epoch"):
                commit.group.stage(lost.commit.message)
        self.made = {}
        self._publish(commit.group, commit.group_info, old)

    def _publish(self, group: Group, group_info: bytes, old: Group | None = None) -> None:
        self.group_info = group_info
        self.objects |= {SUITE_1.hash(data): data for data in tree_objects(group, old)}

    def _leaves(self, message: bytes) -> None:
        """A message goes out; who was removed can do nothing with it."""
        for ghost in self.ghosts:
            for door in (ghost.unprotect, ghost.receive_proposal, ghost.stage):
                with pytest.raises(PeerError):
                    door(message)

    def check(self) -> None:
        """What is true at any time: members agree, and the tree names them and nobody else."""
        groups = [member.group for member in self.members.values()]
        assert len({group.epoch_authenticator for group in groups}) == 1
        assert len({group.tree_hash for group in groups}) == 1
        assert len({group.export_secret("label", b"context", 32) for group in groups}) == 1
        found = {one.leaf_index: one.credential.identity.decode() for one in groups[0].members()}
        assert found == {self.group(name).own_leaf: name for name in self.members}


def wire_format(in_the_open: bool) -> WireFormat:
    return WireFormat.PUBLIC_MESSAGE if in_the_open else WireFormat.PRIVATE_MESSAGE


def _outcome(act: Callable[[Group], T], group: Group) -> T | PeerError:
    try:
        return act(group)
    except PeerError as error:
        return error


def _plain(value: object) -> Any:
    """Something that compares by what it says: a group by its rows, an error by its text."""
    if isinstance(value, Group):
        return rows(value)
    if isinstance(value, PeerError):
        return type(value), str(value)
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value
