"""Decides what a Commit of this member contains, as a draft that shows what it will change. 12.4.1.

Never drafts a Commit that its own members would refuse: the same rules run here as in staging.py.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crypto.errors import PeerError, UsageError
from crypto.mls.applying import Applied
from crypto.mls.census import Census
from crypto.mls.covering import checked, coverable
from crypto.mls.extensions import Extension
from crypto.mls.finishing import Base, Finishing, NewLeaf, OwnCommit, Planned, WithTree
from crypto.mls.framing import Sender, SenderType, WireFormat
from crypto.mls.group_state import G, GroupState
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig, leaf_content
from crypto.mls.leaf_node import LeafNodeSource
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import Proposal
from crypto.mls.psk import ResumptionUsage
from crypto.mls.sending import check_can_send
from crypto.mls.suite import Signer, Suite
from crypto.mls.validation import check_all_support_type, check_supports, check_supports_types


@dataclass(frozen=True, slots=True)
class Draft(Planned[G]):
    """A valid Commit before it is signed; `changes` tells who will come and go, and where."""

    def finish(
        self,
        *,
        signer: Signer,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        authenticated_data: bytes = b"",
        welcome_extensions: Sequence[Extension] = (),
        group_info_extensions: Sequence[Extension] = (),
        tree_in_welcome: bool = False,
        tree_in_group_info: bool = False,
        random: Random = os.urandom,
    ) -> OwnCommit[G]:
        """The signed Commit with all that goes out with it.

        `signer` holds the key of this member's present leaf (of its new one in an external
        Commit). `wire_format` PUBLIC_MESSAGE leaves a member's Commit unencrypted; an external one
        always is. `welcome_extensions` stand only in the Welcome's encrypted GroupInfo.
        """
        if signer.public != self._present_key():
            raise UsageError("the signer does not hold the key of this member's leaf")
        return Finishing(self, signer, random).own_commit(
            authenticated_data,
            tuple(welcome_extensions),
            tuple(group_info_extensions),
            wire_format=wire_format,
            with_tree=WithTree(tree_in_welcome, tree_in_group_info),
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
    earlier: Sequence[GroupState] = (),
    usage: ResumptionUsage = ResumptionUsage.APPLICATION,
    random: Random,
) -> Draft[G]:
    """A Commit of these proposals, and of the pending ones that it can cover.

    `usage` is another only for the Commit that a linked group begins with. Raises PeerError with
    the rule that the list or the resulting tree breaks.
    """
    if group.is_closed:
        raise UsageError("the group is being founded anew: nobody commits in it")
    for proposal in proposals:
        check_can_send(proposal)
    sender = Sender(SenderType.MEMBER, group.own_leaf)
    resolved = tuple(ResolvedProposal(proposal, sender) for proposal in proposals)
    next_leaf = _own_next_leaf(group, config, random)
    content = next_leaf.content
    if include_pending:
        pending = coverable(group, resolved, psks, leaf=content, earlier=earlier)
        resolved = (*pending, *resolved)
    applied, psk_secret = checked(group, resolved, psks, own=content, earlier=earlier, usage=usage)
    leaf = None
    if path or applied.needs_path or config is not None:
        leaf = next_leaf
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
    content = leaf_content(suite, config, public_key, source=LeafNodeSource.COMMIT)
    return NewLeaf(index, private_key, content, signer=config.signer)


def check_own_leaf(census: Census, applied: Applied, leaf: NewLeaf) -> None:
    """Check that the own new leaf will fit; `census` is of the tree that the proposals make."""
    old = applied.tree.leaf(leaf.index)
    key = leaf.content.signature_key
    if key in census.signature_keys and (old is None or old.signature_key != key):
        raise PeerError("VAL-7.3-8", "a key stands twice in the tree")
    check_supports(leaf.content.capabilities, applied.extensions)
    check_supports_types(leaf.content.capabilities, census.credential_types.keys())
    if leaf.content.credential.type not in census.credential_types:
        check_all_support_type(applied.tree, leaf.content.credential.type, but=leaf.index)
