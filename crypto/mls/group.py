"""A group as one of its members sees it in one epoch: the face of everything in crypto/mls.

Never changes in place and never computes: each operation is in a file of its own, and returns the
next state or raises while the present one still works.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from crypto.mls import (
    drafting,
    finishing,
    joining,
    key_schedule,
    linked_groups,
    receiving,
    sending,
    staging,
    storage_rows,
    welcomed,
)
from crypto.mls.applying import Change, Member, member_at
from crypto.mls.extensions import Extension, find_extension
from crypto.mls.founding import found, signed_group_info
from crypto.mls.framing import WireFormat
from crypto.mls.group_state import GroupState, InvalidCommit, PendingProposal, UnusablePath
from crypto.mls.hpke import Random
from crypto.mls.key_package import (
    KeyPackage,
    LeafConfig,
    OwnKeyPackage,
    make_key_package,
    validate,
)
from crypto.mls.linked_groups import Identity, credential_of
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import Proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.receiving import ApplicationMessage
from crypto.mls.suite import Signer, Suite
from crypto.mls.tree_object import missing_objects, object_children
from crypto.mls.welcome import GroupInfo, decode_group_info

NO_PSKS: Mapping[bytes, bytes] = {}


class Group(GroupState):
    """One member's state in one epoch; immutable."""

    __slots__ = ()

    @property
    def group_id(self) -> bytes:
        """The group's id, the same in all epochs."""
        return self.context.group_id

    @property
    def epoch(self) -> int:
        """How many Commits the group has seen."""
        return self.context.epoch

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions of the GroupContext."""
        return self.context.extensions

    @property
    def tree_hash(self) -> bytes:
        """The root hash of the tree."""
        return self.context.tree_hash

    @property
    def confirmed_transcript_hash(self) -> bytes:
        """The hash over all Commits; empty in epoch 0."""
        return self.context.confirmed_transcript_hash

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for all members that are in the same state: KDF.Nh bytes. Section 8.7."""
        return self.secrets.epoch_authenticator

    def extension(self, type: int) -> bytes | None:
        """The data of the GroupContext extension of that type, or None."""
        return find_extension(self.context.extensions, type)

    def members(self) -> Iterator[Member]:
        """Everybody in the group, by leaf index."""
        return (member_at(index, leaf) for index, leaf in self.tree.leaves())

    def member(self, leaf_index: int) -> Member | None:
        """Who stands at a leaf, or None."""
        leaf = self.tree.leaf(leaf_index)
        return None if leaf is None else member_at(leaf_index, leaf)

    def export_secret(self, label: str, context: bytes, length: int) -> bytes:
        """A secret of `length` bytes that all members have in this epoch. Section 8.5."""
        exporter = self.secrets.exporter
        return key_schedule.export(
            self.suite, exporter, label=label, context=context, length=length
        )

    def protect(
        self,
        data: bytes,
        *,
        signer: Signer,
        authenticated_data: bytes = b"",
        padding: int = 0,
        random: Random = os.urandom,
    ) -> tuple["Group", bytes]:
        """The state to store first, and an application message for the others; see sending.py."""
        return sending.protect(
            self,
            data,
            signer=signer,
            authenticated_data=authenticated_data,
            padding=padding,
            random=random,
        )

    def unprotect(self, message: bytes) -> tuple["Group", ApplicationMessage]:
        """The state without the key, and what a member said; see receiving.py."""
        return receiving.unprotect(self, message)

    def propose(
        self,
        proposal: Proposal,
        *,
        signer: Signer,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        authenticated_data: bytes = b"",
        random: Random = os.urandom,
    ) -> tuple["Group", bytes]:
        """The state with the own proposal pending, and the message for the others."""
        return sending.propose(
            self,
            proposal,
            signer=signer,
            wire_format=wire_format,
            authenticated_data=authenticated_data,
            random=random,
        )

    def propose_update(
        self,
        config: LeafConfig,
        *,
        signer: Signer,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        authenticated_data: bytes = b"",
        random: Random = os.urandom,
    ) -> tuple["Group", bytes]:
        """The same for an Update of the own leaf, which somebody else has to commit."""
        return sending.propose_update(
            self,
            config,
            signer=signer,
            wire_format=wire_format,
            authenticated_data=authenticated_data,
            random=random,
        )

    def receive_proposal(self, message: bytes) -> "Group":
        """The state with a proposal of a member or of somebody outside; see receiving.py."""
        return receiving.receive_proposal(self, message)

    def stage(
        self,
        message: bytes,
        *,
        psks: Mapping[bytes, bytes] = NO_PSKS,
        earlier: Sequence["Group"] = (),
    ) -> "StagedCommit":
        """What somebody else's Commit does, and the state after it; see staging.py.

        `earlier` are states of other groups whose resumption keys it may name. Raises
        InvalidCommit or UnusablePath.
        """
        return staging.stage(self, message, psks=psks, earlier=earlier)

    def draft(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        psks: Mapping[bytes, bytes] = NO_PSKS,
        earlier: Sequence["Group"] = (),
        include_pending: bool = True,
        path: bool = True,
        config: LeafConfig | None = None,
        random: Random = os.urandom,
    ) -> "Draft":
        """An own Commit before it is signed; see drafting.py.

        `config` changes the own leaf; without one it keeps credential, signature key and
        capabilities. `path=False` leaves the path out if the proposals allow it.
        """
        return drafting.draft(
            self,
            proposals,
            psks=psks,
            earlier=earlier,
            include_pending=include_pending,
            path=path,
            config=config,
            random=random,
        )

    def without_pending(self) -> "Group":
        """The state as if no proposal had come in this epoch."""
        return replace(self, pending_proposals=(), own_updates={})

    def signed_group_info(
        self, signer: Signer, extensions: Sequence[Extension] = (), *, with_tree: bool = False
    ) -> bytes:
        """MLSMessage(GroupInfo) of this epoch, with external_pub."""
        return signed_group_info(self, signer, extensions, with_tree=with_tree)


StagedCommit: TypeAlias = staging.StagedCommit[Group]
Draft: TypeAlias = drafting.Draft[Group]
OwnCommit: TypeAlias = finishing.OwnCommit[Group]
OpenedWelcome: TypeAlias = welcomed.OpenedWelcome[Group]


def create(
    *,
    suite: Suite,
    group_id: bytes,
    config: LeafConfig,
    extensions: Sequence[Extension] = (),
    random: Random = os.urandom,
) -> tuple[Group, bytes]:
    """A group of one in epoch 0, and its MLSMessage(GroupInfo). Section 11."""
    group = found(Group, suite, group_id, config=config, extensions=extensions, random=random)
    return group, group.signed_group_info(config.signer)


def external_draft(
    group_info: bytes,
    tree: RatchetTree | None = None,
    *,
    config: LeafConfig,
    remove_leaf: int | None = None,
    psk_ids: Sequence[bytes] = (),
    psks: Mapping[bytes, bytes] = NO_PSKS,
    resumed: Group | None = None,
    random: Random = os.urandom,
) -> Draft:
    """A Commit that joins from outside; see joining.py."""
    return joining.external_draft(
        Group,
        group_info,
        tree,
        config=config,
        remove_leaf=remove_leaf,
        psk_ids=psk_ids,
        psks=psks,
        resumed=resumed,
        random=random,
    )


def open_welcome(
    welcome: bytes,
    key_packages: Mapping[bytes, OwnKeyPackage],
    *,
    psks: Mapping[bytes, bytes] = NO_PSKS,
    earlier: Sequence[Group] = (),
) -> OpenedWelcome:
    """A Welcome, opened but not joined yet; see welcomed.py."""
    return welcomed.open_welcome(Group, welcome, key_packages, psks=psks, earlier=earlier)


def reinitialize(
    old: Group,
    key_packages: Iterable[KeyPackage],
    *,
    config: LeafConfig,
    identity: Identity = credential_of,
    random: Random = os.urandom,
) -> Draft:
    """The Commit that founds a closed group anew, for all its members; see linked_groups.py."""
    return linked_groups.reinitialize(
        Group, old, key_packages, config=config, identity=identity, random=random
    )


def branch(
    old: Group,
    key_packages: Iterable[KeyPackage],
    *,
    group_id: bytes,
    config: LeafConfig,
    extensions: Sequence[Extension] = (),
    identity: Identity = credential_of,
    random: Random = os.urandom,
) -> Draft:
    """The Commit that founds a group of some members of another one; see linked_groups.py."""
    return linked_groups.branch(
        Group,
        old,
        key_packages,
        group_id=group_id,
        config=config,
        extensions=extensions,
        identity=identity,
        random=random,
    )


def tree_objects(new: Group, since: Group | None = None) -> tuple[bytes, ...]:
    """The TreeHashInputs of the new tree's nodes that the old one does not have."""
    return tuple(new.tree.objects(since.tree if since else None))


def rows(group: Group) -> dict[str, bytes]:
    """Every row of a group, by name; secret."""
    return storage_rows.rows(group)


def changed_rows(old: Group, new: Group) -> tuple[dict[str, bytes], set[str]]:
    """Rows to write and names of rows to delete, to make the rows of `old` those of `new`."""
    return storage_rows.changed_rows(old, new)


def next_epoch_rows(
    stored: Mapping[str, bytes], put: Mapping[str, bytes], gone: Iterable[str]
) -> dict[str, bytes]:
    """The rows of the epoch that an own Commit opens; see storage_rows.py."""
    return storage_rows.next_epoch_rows(stored, put, gone)


def from_rows(stored: Mapping[str, bytes]) -> Group:
    """The group that `rows` wrote; PeerError("malformed") when rows are missing or damaged."""
    return storage_rows.from_rows(Group, stored)


__all__ = [
    "ApplicationMessage",
    "Change",
    "Draft",
    "Group",
    "GroupInfo",
    "Identity",
    "InvalidCommit",
    "KeyPackage",
    "LeafConfig",
    "Member",
    "OpenedWelcome",
    "OwnCommit",
    "OwnKeyPackage",
    "PendingProposal",
    "RatchetTree",
    "ResolvedProposal",
    "StagedCommit",
    "UnusablePath",
    "WireFormat",
    "branch",
    "changed_rows",
    "create",
    "credential_of",
    "decode_group_info",
    "external_draft",
    "from_rows",
    "make_key_package",
    "missing_objects",
    "next_epoch_rows",
    "object_children",
    "open_welcome",
    "reinitialize",
    "rows",
    "tree_objects",
    "validate",
]
