"""Makes the signed Commit of a draft, and all that goes out with it. RFC 9420, section 12.4.1.

Never decides what the Commit contains: drafting.py and joining.py have.
"""

from dataclasses import dataclass, field, replace
from typing import Generic

from crypto.errors import UsageError
from crypto.mls import framing, public_message, transcript, welcoming
from crypto.mls.applying import Applied, Change
from crypto.mls.census import Census
from crypto.mls.commit import Commit, ProposalRef, UpdatePath
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
from crypto.mls.leaf_node import LeafContent, LeafNode, sign_leaf
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.sending import outgoing
from crypto.mls.suite import Signer, Suite
from crypto.mls.treekem import NewPath, PrivateKeys, create_path, encrypt_path, keys_still_valid


@dataclass(frozen=True, slots=True)
class OwnCommit(Generic[G]):
    """A Commit of this member, to be merged when it is accepted.

    `message`, `welcome` and `group_info` are MLSMessages; the GroupInfo carries external_pub, and
    the tree if asked for. `group` is the next state. `group_if_refused` is the present one without
    the key that the message took, if any, to go on with when another Commit wins; None for an
    external Commit.
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
class Planned(Generic[G]):
    """All that is decided about a Commit before it is signed."""

    base: Base[G] = field(repr=False)
    resolved: tuple[ResolvedProposal, ...]
    applied: Applied = field(repr=False)
    leaf: NewLeaf | None = field(repr=False)
    own_leaf: int
    psk_secret: bytes = field(repr=False)
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class WithTree:
    """Where the whole tree goes along, as a `ratchet_tree` extension. 12.4.3.3."""

    in_welcome: bool = False
    in_group_info: bool = False


NO_TREE = WithTree()


@dataclass(frozen=True, slots=True)
class Finishing(Generic[G]):
    """The steps from a plan to the message, in the order of section 12.4.1."""

    draft: Planned[G]
    signer: Signer
    random: Random

    def own_commit(
        self,
        authenticated_data: bytes,
        welcome_extensions: tuple[Extension, ...],
        group_info_extensions: tuple[Extension, ...],
        *,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        with_tree: WithTree = NO_TREE,
    ) -> OwnCommit[G]:
        draft, base = self.draft, self.draft.base
        path = self._new_path()
        tree = draft.applied.tree if path is None else path.tree
        provisional = provisional_context(base.context, draft.applied, tree)
        sealed = None if path is None else self._sealed(path, provisional.encode())
        content = self._content(sealed, authenticated_data)
        if base.group is None:
            # "Messages from senders that aren't in the group are sent as PublicMessage." (6)
            wire_format = WireFormat.PUBLIC_MESSAGE
        epoch, authenticated = self._signed(content, provisional, path, wire_format)
        after, message = self._protected(authenticated)
        leaf_signer = draft.leaf.signer if draft.leaf and draft.leaf.signer else self.signer
        out = welcoming.Outgoing(base.suite, epoch, draft.own_leaf, leaf_signer)
        return OwnCommit(
            message,
            self._next(epoch, tree, path),
            out.welcome(
                draft.applied,
                path,
                welcome_extensions,
                tree=tree if with_tree.in_welcome else None,
                psk_secret=draft.psk_secret,
                random=self.random,
            ),
            out.public_group_info(
                group_info_extensions, tree=tree if with_tree.in_group_info else None
            ),
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
        self,
        content: FramedContent,
        provisional: GroupContext,
        path: NewPath | None,
        wire_format: WireFormat,
    ) -> tuple[NewEpoch, AuthenticatedContent]:
        base, suite = self.draft.base, self.draft.base.suite
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
        return outgoing(group, message, random=self.random)

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
            reinit=draft.applied.reinit,
        )
