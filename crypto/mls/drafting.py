"""Makes Commits: first a draft that shows what it will change, then the signed message. 12.4.1.

Never sends a Commit that its own members would refuse: the same rules run here as in staging.py.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

from crypto.errors import PeerError, UsageError
from crypto.mls import framing, private_message, public_message, transcript, welcoming
from crypto.mls.applying import Applied, Change
from crypto.mls.census import Census
from crypto.mls.commit import Commit, ProposalRef, UpdatePath
from crypto.mls.covering import checked, coverable
from crypto.mls.extensions import Extension
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.group_context import GroupContext
from crypto.mls.group_state import (
    G,
    NewEpoch,
    begin_epoch,
    provisional_context,
    state_of,
)
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig
from crypto.mls.leaf_node import LeafContent, LeafNode, LeafNodeSource, sign_leaf
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import Proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Signer, Suite
from crypto.mls.treekem import NewPath, PrivateKeys, create_path, encrypt_path, keys_still_valid
from crypto.mls.validation import check_supports, check_supports_types


@dataclass(frozen=True, slots=True)
class OwnCommit(Generic[G]):
    """A Commit of this member, to be merged when it is accepted.

    `message`, `welcome` and `group_info` are MLSMessages; the GroupInfo carries external_pub and no
    tree. `group` is the next state. `group_if_refused` is the present one without the key that the
    message took, to go on with when another Commit wins; None for an external Commit.
    """

    message: bytes
    group: G = field(repr=False)
    welcome: bytes | None
    group_info: bytes
    changes: tuple[Change, ...]
    group_if_refused: G | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Base(Generic[G]):
    """Where a Commit starts from: a member's own state, or the GroupInfo that a joiner has.

    `group` is None for a joiner, whose `init_secret` comes from its ExternalInit.
    """

    kind: type[G]
    group: G | None
    suite: Suite
    context: GroupContext
    tree: RatchetTree
    census: Census = field(repr=False)
    interim_transcript_hash: bytes
    init_secret: bytes = field(repr=False)

    @classmethod
    def of(cls, group: G) -> "Base[G]":
        """Where a member's Commit starts from."""
        return cls(
            type(group),
            group,
            group.suite,
            group.context,
            group.tree,
            census=group.census,
            interim_transcript_hash=group.interim_transcript_hash,
            init_secret=group.secrets.init,
        )


@dataclass(frozen=True, slots=True)
class NewLeaf:
    """What the committer's own next leaf will be, but for its parent hash and signature."""

    index: int
    private_key: bytes = field(repr=False)
    content: LeafContent
    signer: Signer | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Draft(Generic[G]):
    """A valid Commit before it is signed; `changes` tells who will come and go, and where."""

    base: Base[G] = field(repr=False)
    resolved: tuple[ResolvedProposal, ...]
    applied: Applied = field(repr=False)
    leaf: NewLeaf | None = field(repr=False)
    own_leaf: int
    psk_secret: bytes = field(repr=False)
    changes: tuple[Change, ...]

    def finish(
        self,
        *,
        signer: Signer,
        authenticated_data: bytes = b"",
        welcome_extensions: Sequence[Extension] = (),
        group_info_extensions: Sequence[Extension] = (),
        random: Random = os.urandom,
    ) -> OwnCommit[G]:
        """The signed Commit with all that goes out with it.

        `signer` holds the key of this member's present leaf (of its new one in an external
        Commit). `welcome_extensions` stand only in the Welcome's encrypted GroupInfo.
        """
        if signer.public != self._present_key():
            raise UsageError("the signer does not hold the key of this member's leaf")
        return Finishing(self, signer, random).own_commit(
            authenticated_data, tuple(welcome_extensions), tuple(group_info_extensions)
        )

    def _present_key(self) -> bytes:
        """The key that signs the Commit: the present leaf's, or the only one of a joiner."""
        group = self.base.group
        leaf = None if group is None else group.tree.leaf(group.own_leaf)
        if leaf is not None:
            return leaf.signature_key
        assert self.leaf is not None  # a joiner has a path
        return self.leaf.content.signature_key


def draft(
    group: G,
    proposals: Sequence[Proposal],
    *,
    psks: Mapping[bytes, bytes],
    include_pending: bool,
    path: bool,
    config: LeafConfig | None,
    random: Random,
) -> Draft[G]:
    """A Commit of these proposals, and of the pending ones that it can cover.

    Raises PeerError with the rule that the list or the resulting tree breaks.
    """
    if group.is_closed:
        raise UsageError("the group is being founded anew: nobody commits in it")
    sender = Sender(SenderType.MEMBER, group.own_leaf)
    resolved = tuple(ResolvedProposal(proposal, sender) for proposal in proposals)
    if include_pending:
        resolved = (*coverable(group, resolved, psks), *resolved)
    applied, psk_secret = checked(group, resolved, psks)
    leaf = None
    if path or applied.needs_path or config is not None:
        leaf = _own_next_leaf(group, config, random)
        check_own_leaf(group.census.moved(group.tree, applied.tree), applied, leaf)
    base = Base.of(group)
    return Draft(base, resolved, applied, leaf, group.own_leaf, psk_secret, applied.changes)


def _own_next_leaf(group: G, config: LeafConfig | None, random: Random) -> NewLeaf:
    old = group.tree.leaf(group.own_leaf)
    assert old is not None  # a member has a leaf
    if config is not None:
        return new_leaf(group.suite, group.own_leaf, config, random=random)
    private_key, public_key = group.suite.generate_key_pair(random=random)
    content = replace(
        old.content, encryption_key=public_key, source=LeafNodeSource.COMMIT, lifetime=None
    )
    return NewLeaf(group.own_leaf, private_key, content, signer=None)


def new_leaf(suite: Suite, index: int, config: LeafConfig, *, random: Random) -> NewLeaf:
    """A leaf that a path will put at `index`."""
    private_key, public_key = suite.generate_key_pair(random=random)
    content = LeafContent(
        public_key,
        config.signer.public,
        config.credential,
        config.capabilities(suite),
        source=LeafNodeSource.COMMIT,
    )
    return NewLeaf(index, private_key, content, signer=config.signer)


def check_own_leaf(census: Census, applied: Applied, leaf: NewLeaf) -> None:
    """Check that the own new leaf will fit; `census` is of the tree that the proposals make."""
    old = applied.tree.leaf(leaf.index)
    key = leaf.content.signature_key
    if key in census.signature_keys and (old is None or old.signature_key != key):
        raise PeerError("VAL-7.3-8", "a key stands twice in the tree")
    check_supports(leaf.content.capabilities, applied.extensions)
    check_supports_types(leaf.content.capabilities, census.credential_types.keys())


@dataclass(frozen=True, slots=True)
class Finishing(Generic[G]):
    """The steps from a draft to the message, in the order of section 12.4.1."""

    draft: Draft[G]
    signer: Signer
    random: Random

    def own_commit(
        self,
        authenticated_data: bytes,
        welcome_extensions: tuple[Extension, ...],
        group_info_extensions: tuple[Extension, ...],
    ) -> OwnCommit[G]:
        draft, base = self.draft, self.draft.base
        path = self._new_path()
        tree = draft.applied.tree if path is None else path.tree
        provisional = provisional_context(base.context, draft.applied, tree)
        sealed = None if path is None else self._sealed(path, provisional.encode())
        content = self._content(sealed, authenticated_data)
        epoch, authenticated = self._signed(content, provisional, path)
        after, message = self._protected(authenticated)
        leaf_signer = draft.leaf.signer if draft.leaf and draft.leaf.signer else self.signer
        outgoing = welcoming.Outgoing(base.suite, epoch, draft.own_leaf, leaf_signer)
        return OwnCommit(
            message,
            self._next(epoch, tree, path),
            outgoing.welcome(
                draft.applied,
                path,
                welcome_extensions,
                psk_secret=draft.psk_secret,
                random=self.random,
            ),
            outgoing.public_group_info(group_info_extensions),
            draft.changes,
            after,
        )

    def _new_path(self) -> NewPath | None:
        leaf, base = self.draft.leaf, self.draft.base
        if leaf is None:
            return None
        signer = leaf.signer or self.signer
        if signer.public != leaf.content.signature_key:
            raise UsageError("the signer does not hold the key of this member's leaf")

        def make_leaf(parent_hash: bytes) -> LeafNode:
            return sign_leaf(
                base.suite,
                replace(leaf.content, parent_hash=parent_hash),
                signer=signer,
                group_id=base.context.group_id,
                leaf_index=leaf.index,
            )

        return create_path(
            self.draft.applied.tree.extended_to(leaf.index),
            leaf.index,
            leaf_private=leaf.private_key,
            make_leaf=make_leaf,
            random=self.random,
        )

    def _sealed(self, path: NewPath, context: bytes) -> UpdatePath:
        added = self.draft.applied.added_leaves
        return encrypt_path(path, context=context, added=added, random=self.random)

    def _content(self, path: UpdatePath | None, authenticated_data: bytes) -> FramedContent:
        proposals = tuple(
            one.proposal if one.reference is None else ProposalRef(one.reference)
            for one in self.draft.resolved
        )
        group, context = self.draft.base.group, self.draft.base.context
        sender = (
            Sender(SenderType.NEW_MEMBER_COMMIT)
            if group is None
            else Sender(SenderType.MEMBER, group.own_leaf)
        )
        return FramedContent(
            context.group_id,
            context.epoch,
            sender,
            authenticated_data,
            ContentType.COMMIT,
            Commit(proposals, path).encode(),
        )

    def _signed(
        self, content: FramedContent, provisional: GroupContext, path: NewPath | None
    ) -> tuple[NewEpoch, AuthenticatedContent]:
        base, suite = self.draft.base, self.draft.base.suite
        is_private = base.group is not None
        wire_format = WireFormat.PRIVATE_MESSAGE if is_private else WireFormat.PUBLIC_MESSAGE
        context = base.context.encode()
        signature = framing.sign(
            suite, content, wire_format=wire_format, context=context, signer=self.signer
        )
        confirmed = transcript.confirmed_hash(
            suite,
            base.interim_transcript_hash,
            wire_format=wire_format,
            content=content,
            signature=signature,
        )
        epoch = begin_epoch(
            suite,
            provisional,
            confirmed=confirmed,
            init_secret=base.init_secret,
            commit_secret=suite.zero if path is None else path.path.commit_secret,
            psks=self.draft.psk_secret,
        )
        auth = FramedContentAuthData(signature, epoch.confirmation_tag)
        return epoch, AuthenticatedContent(wire_format, content, auth)

    def _protected(self, message: AuthenticatedContent) -> tuple[G | None, bytes]:
        group, suite = self.draft.base.group, self.draft.base.suite
        if group is None:
            public = public_message.protect(suite, message)
            return None, framing.wrap(WireFormat.PUBLIC_MESSAGE, public.encode())
        secret_tree, private = private_message.protect(
            group.secret_tree,
            message,
            sender_data_secret=group.secrets.sender_data,
            random=self.random,
        )
        after = group.with_secret_tree(secret_tree)
        return after, framing.wrap(WireFormat.PRIVATE_MESSAGE, private.encode())

    def _next(self, epoch: NewEpoch, tree: RatchetTree, path: NewPath | None) -> G:
        draft, base = self.draft, self.draft.base
        private_keys: PrivateKeys
        if path is not None:
            private_keys = path.private_keys
        else:
            assert base.group is not None  # a joiner has a path
            private_keys = keys_still_valid(tree, draft.own_leaf, base.group.private_keys)
        return state_of(
            base.kind,
            base.suite,
            epoch,
            own_leaf=draft.own_leaf,
            tree=tree,
            census=base.census.moved(base.tree, tree),
            private_keys=private_keys,
            before=base.group,
            is_closed=draft.applied.reinit is not None,
        )
