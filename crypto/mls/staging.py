"""Verifies a Commit that somebody else made, without merging it. RFC 9420, section 12.4.2.

Never changes the state that it is given: it returns the next one, or raises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from crypto.errors import PeerError
from crypto.mls import key_schedule, transcript
from crypto.mls.applying import Applied, Change, Member, apply_proposals, member_at
from crypto.mls.census import Census
from crypto.mls.commit import Commit
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.group_state import (
    G,
    GroupState,
    InvalidCommit,
    UnusablePath,
    begin_epoch,
    provisional_context,
    state_of,
)
from crypto.mls.leaf_node import LeafNode, LeafNodeSource
from crypto.mls.proposal_rules import (
    ResolvedProposal,
    check_external_list,
    check_leaf_in_group,
    check_member_list,
)
from crypto.mls.psk_lookup import combined_psks
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.receiving import open_handshake, resolved_proposals
from crypto.mls.treekem import (
    PrivateKeys,
    check_ciphertext_counts,
    decrypt_path,
    keys_still_valid,
    merge_path,
)
from crypto.mls.validation import check_all_leaves_support, check_new_leaves


@dataclass(frozen=True, slots=True)
class StagedCommit(Generic[G]):
    """A Commit that was verified and not merged.

    `sender` is the committer, with the leaf index where it stands from now on. `path_leaf` is how
    it will look, if the Commit has a path; `old_member` is how it (or, in an external Commit, the
    leaf that it removes) looked. `proposals` of unknown types are listed and nothing else: what
    they do is the application's matter. `group` is the next state, None when this member is
    `removed`.
    """

    sender: Sender
    wire_format: WireFormat
    authenticated_data: bytes
    proposals: tuple[ResolvedProposal, ...]
    changes: tuple[Change, ...]
    path_leaf: Member | None
    old_member: Member | None
    group: G | None

    @property
    def removed(self) -> bool:
        """Whether this member is out of the group after the Commit."""
        return self.group is None


def stage(
    group: G,
    message: bytes,
    *,
    psks: Mapping[bytes, bytes],
    earlier: Sequence[GroupState] = (),
) -> StagedCommit[G]:
    """Verify a Commit, and return what it does and the state that follows.

    `psks` are external keys by id; resumption keys are those of this state and of the `earlier`
    ones. Raises InvalidCommit with the code of what is wrong, the same for every member that has
    the same keys; UnusablePath when only this member's own path secret is unusable.
    """
    try:
        return _Received.open(group, message).staged(_Keys(psks, (group, *earlier)))
    except (InvalidCommit, UnusablePath):
        raise
    except PeerError as error:
        raise InvalidCommit(error.code) from error


@dataclass(frozen=True, slots=True)
class _Keys:
    """Where the keys of PreSharedKey proposals may be found."""

    psks: Mapping[bytes, bytes] = field(repr=False)
    states: Sequence[GroupState]


@dataclass(frozen=True, slots=True)
class _Received(Generic[G]):
    """A Commit whose signature is right: what was said, by whom, in which state of ours."""

    group: G
    message: AuthenticatedContent
    commit: Commit
    resolved: tuple[ResolvedProposal, ...]

    @classmethod
    def open(cls, group: G, message: bytes) -> "_Received[G]":
        if group.is_closed:
            # "the client MUST NOT use the group to send messages anymore" (12.4.2): a Commit after
            # the one that founds it anew would open it again.
            raise PeerError("VAL-12.4.2-4", "the group is being founded anew")
        opened = open_handshake(group, message, ContentType.COMMIT)
        commit = opened.content.commit
        sender = opened.content.sender
        if sender == Sender(SenderType.MEMBER, group.own_leaf):
            raise UnusablePath("own_commit", "a commit of this member is not staged but merged")
        return cls(group, opened, commit, resolved_proposals(group, commit, sender))

    @property
    def sender(self) -> Sender:
        return self.message.content.sender

    @property
    def is_external(self) -> bool:
        return self.sender.type is SenderType.NEW_MEMBER_COMMIT

    def staged(self, keys: _Keys) -> StagedCommit[G]:
        applied = self._applied()
        committer = applied.tree.next_free() if self.is_external else self.sender.index
        tree, census = self._merged(applied, committer)
        # Before the question who is removed: whoever is must refuse what all others refuse.
        init_secret = self._init_secret(applied)
        old_member, path_leaf = self._old_member(applied), None
        changes = applied.changes
        if self.commit.path is not None:
            path_leaf = member_at(committer, self.commit.path.leaf_node)
            if self.is_external:
                changes = (*changes, Change("added", committer, path_leaf))
        is_removed = any(
            change.kind == "removed" and change.leaf_index == self.group.own_leaf
            for change in applied.changes
        )
        return StagedCommit(
            Sender(self.sender.type, committer),
            self.message.wire_format,
            self.message.content.authenticated_data,
            self.resolved,
            changes,
            path_leaf,
            old_member,
            None
            if is_removed
            else self._next(applied, committer, tree, census, keys, init_secret=init_secret),
        )

    def _applied(self) -> Applied:
        group, resolved = self.group, self.resolved
        if self.is_external:
            check_external_list(group.tree, group.context, resolved)
        else:
            check_member_list(group.tree, group.context, resolved, committer=self.sender.index)
        applied = apply_proposals(group.tree, group.context.extensions, resolved)
        # "Verify that the path value is populated if the proposals vector contains any Update or
        # Remove proposals, or if it's empty" (12.4.2)
        if self.commit.path is None and applied.needs_path:
            raise PeerError("VAL-12.4-1", "the commit lacks its path")
        return applied

    def _old_member(self, applied: Applied) -> Member | None:
        if not self.is_external:
            leaf = self.group.tree.leaf(self.sender.index)
            return None if leaf is None else member_at(self.sender.index, leaf)
        removed = [change.member for change in applied.changes if change.kind == "removed"]
        return removed[0] if removed else None

    def _merged(self, applied: Applied, committer: int) -> tuple[RatchetTree, Census]:
        """The new tree with the path in it and its census, all public rules checked."""
        group, path = self.group, self.commit.path
        tree = applied.tree
        census = group.census.moved(group.tree, tree)
        if path is not None:
            self._check_path_leaf(path.leaf_node, applied, committer)
            tree = tree.extended_to(committer)
            keys = [path.leaf_node.encryption_key, *(node.encryption_key for node in path.nodes)]
            # "Verify that none of the public keys in the UpdatePath appear in any node of the new
            # ratchet tree" (12.4.2)
            if any(key in census.encryption_keys for key in keys):
                raise PeerError("VAL-12.4.2-2", "a key of the path is in the tree already")
            merged = merge_path(tree, committer, path)
            check_ciphertext_counts(merged, committer, path, added=applied.added_leaves)
            census, tree = census.moved(applied.tree, merged), merged
        check_new_leaves(group.tree, tree, census, applied.extensions)
        if applied.replaces_extensions:
            check_all_leaves_support(tree, applied.extensions)
        return tree, census

    def _check_path_leaf(self, leaf: LeafNode, applied: Applied, committer: int) -> None:
        # A resync's new leaf is held against the one that it removes (12.2).
        against = self.group.tree
        removed = [c.leaf_index for c in applied.changes if c.kind == "removed"]
        old = against.leaf(removed[0]) if self.is_external and removed else None
        if old is not None and old.encryption_key == leaf.encryption_key:
            raise PeerError("VAL-7.3-10", "the leaf keeps its encryption key")
        check_leaf_in_group(
            applied.tree if self.is_external else against,
            leaf,
            context=self.group.context,
            leaf_index=committer,
            source=LeafNodeSource.COMMIT,
        )

    def _next(
        self,
        applied: Applied,
        committer: int,
        tree: RatchetTree,
        census: Census,
        keys: _Keys,
        *,
        init_secret: bytes,
    ) -> G:
        group = self.group
        provisional = provisional_context(group.context, applied, tree)
        # What fails for everybody comes before what may fail for this member alone.
        psk_secret = combined_psks(group.suite, applied.psks, keys.psks, states=keys.states)
        private_keys, commit_secret = self._opened_path(
            applied, committer, tree, provisional.encode()
        )
        epoch = begin_epoch(
            group.suite,
            provisional,
            confirmed=transcript.confirmed_hash_after(
                group.suite, group.interim_transcript_hash, self.message
            ),
            init_secret=init_secret,
            commit_secret=commit_secret,
            psks=psk_secret,
        )
        transcript.check_confirmation_tag(
            group.suite,
            epoch.secrets.confirmation_key,
            confirmed=epoch.context.confirmed_transcript_hash,
            tag=self.message.auth.confirmation_tag or b"",
        )
        return state_of(
            type(group),
            group.suite,
            epoch,
            own_leaf=group.own_leaf,
            tree=tree,
            census=census,
            private_keys=private_keys,
            before=group,
            reinit=applied.reinit,
        )

    def _init_secret(self, applied: Applied) -> bytes:
        group = self.group
        if applied.external_init is None:
            return group.secrets.init
        return key_schedule.receive_external_init(
            group.suite, applied.external_init, external=group.secrets.external
        )

    def _opened_path(
        self, applied: Applied, committer: int, tree: RatchetTree, context: bytes
    ) -> tuple[PrivateKeys, bytes]:
        """This member's private keys in the new tree, and the commit secret."""
        group = self.group
        own = _own_keys(group, applied.tree)
        if self.commit.path is None:
            return keys_still_valid(tree, group.own_leaf, own), group.suite.zero
        try:
            opened = decrypt_path(
                tree,
                self.commit.path,
                sender=committer,
                receiver=group.own_leaf,
                private_keys=own,
                context=context,
                added=applied.added_leaves,
            )
        except PeerError as error:
            raise UnusablePath(error.code) from error
        return keys_still_valid(tree, group.own_leaf, opened.private_keys), opened.commit_secret


def _own_keys(group: GroupState, tree: RatchetTree) -> PrivateKeys:
    """This member's private keys after the proposals: its own Update may have been committed."""
    leaf = tree.leaf(group.own_leaf)
    assert leaf is not None  # who is removed opens no path
    keys = dict(group.private_keys)
    if leaf.encryption_key in group.own_updates:
        keys[0] = group.own_updates[leaf.encryption_key]
    return keys_still_valid(tree, group.own_leaf, keys)
