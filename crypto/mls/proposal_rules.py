"""Which lists of proposals a Commit may cover. RFC 9420, sections 12.1 and 12.2.

Never applies a proposal and never looks at the tree that results: see applying.py, validation.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crypto.errors import PeerError
from crypto.mls.extensions import required_capabilities
from crypto.mls.framing import Sender, SenderType
from crypto.mls.group_context import GroupContext
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNode, LeafNodeSource
from crypto.mls.leaf_rules import check_leaf_alone
from crypto.mls.proposals import (
    FROM_OUTSIDE,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    UnknownProposal,
    Update,
)
from crypto.mls.psk import ExternalPskId, PskId, ResumptionUsage
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.validation import check_extensions

# "uint16 count" in a PSKLabel (8.4).
MOST_PSKS = 0xFFFF


@dataclass(frozen=True, slots=True)
class ResolvedProposal:
    """A proposal that a Commit covers, and who made it.

    `reference` is None when it came by value; then the committer is its sender and its
    authenticated data is the Commit's own, here empty.
    """

    proposal: Proposal
    sender: Sender
    reference: bytes | None = None
    authenticated_data: bytes = b""


def check_leaf_in_group(
    tree: RatchetTree, leaf: LeafNode, *, context: GroupContext, leaf_index: int, source: int
) -> None:
    """Check a leaf that an Update or a path puts at a place, for that `source`. Section 7.3."""
    if leaf.content.source != source:
        raise PeerError("VAL-7.3-7", "the leaf was made for something else")
    old = tree.leaf(leaf_index)
    # "encryption_key represents a different public key than the encryption_key in the leaf node
    # being replaced" (7.3)
    if old is not None and old.encryption_key == leaf.encryption_key:
        raise PeerError("VAL-7.3-10", "the leaf keeps its encryption key")
    check_leaf_alone(tree.suite, leaf, group_id=context.group_id, leaf_index=leaf_index)


def check_proposal(
    tree: RatchetTree,
    context: GroupContext,
    proposal: Proposal,
    sender: Sender,
    *,
    usage: ResumptionUsage = ResumptionUsage.APPLICATION,
) -> None:
    """Check one proposal by itself, as it arrives and again in a Commit. Section 12.1.

    `usage` is REINIT or BRANCH only for the Commit that such a new group begins with. Whether all
    members support an unknown type is a question of the list.
    """
    if sender.type is SenderType.EXTERNAL and not isinstance(proposal, FROM_OUTSIDE):
        raise PeerError("VAL-12.1.8-1", "nobody outside may propose this")
    # "the proposal_type of the Proposal MUST be add" (6.1)
    if sender.type is SenderType.NEW_MEMBER_PROPOSAL and not isinstance(proposal, Add):
        raise PeerError("VAL-6.1-2", "a new member proposes nothing but its own Add")
    match proposal:
        case Add(key_package):
            key_package.verify(tree.suite)
        case Update(leaf):
            _check_update(tree, context, leaf, sender)
        case Remove(removed):
            if tree.leaf(removed) is None:
                raise PeerError("VAL-12.1.3-1", "there is no member at that leaf")
        case PreSharedKey(psk):
            _check_psk(psk, usage, nonce_length=tree.suite.hash_length)
        case ReInit(version=version):
            if version < context.version:
                raise PeerError("VAL-12.1.5-1", "a group is not founded anew in an older version")
        case GroupContextExtensions(extensions):
            check_extensions(tree.suite, extensions)
        case ExternalInit() | UnknownProposal():
            pass


def _check_update(tree: RatchetTree, context: GroupContext, leaf: LeafNode, sender: Sender) -> None:
    if sender.type is not SenderType.MEMBER:
        raise PeerError("VAL-12.1.2-1", "only a member updates its leaf")
    source = LeafNodeSource.UPDATE
    check_leaf_in_group(tree, leaf, context=context, leaf_index=sender.index, source=source)


def _check_psk(psk: PskId, usage: ResumptionUsage, *, nonce_length: int) -> None:
    if len(psk.nonce) != nonce_length:
        raise PeerError("VAL-12.1.4-3", "a nonce has a wrong length")
    if isinstance(psk, ExternalPskId) or psk.usage in (ResumptionUsage.APPLICATION, usage):
        return
    # Neither founding anew nor branching happens by a Commit in a group that has members.
    rule = "VAL-12.1.4-1" if psk.usage is ResumptionUsage.REINIT else "VAL-12.1.4-2"
    raise PeerError(rule, "a resumption key is used for something else")


def check_member_list(
    tree: RatchetTree,
    context: GroupContext,
    resolved: Sequence[ResolvedProposal],
    *,
    committer: int,
    usage: ResumptionUsage = ResumptionUsage.APPLICATION,
) -> None:
    """Check the list of a regular Commit. Section 12.2, first part; `usage` as above."""
    for one in resolved:
        if isinstance(one.proposal, ExternalInit):
            raise PeerError("VAL-12.2-9", "a member needs no external init")
        if isinstance(one.proposal, Update) and one.sender == Sender(SenderType.MEMBER, committer):
            raise PeerError("VAL-12.2-1", "the committer updates itself by its path")
        if isinstance(one.proposal, Remove) and one.proposal.removed == committer:
            raise PeerError("VAL-12.2-2", "the committer removes itself")
        check_proposal(tree, context, one.proposal, one.sender, usage=usage)
    _check_leaves_touched_once(resolved)
    _check_types_supported(tree, context, resolved)
    _check_adds(tree, resolved)
    _check_at_most_once(resolved)


def _touched(one: ResolvedProposal) -> Iterable[int]:
    if isinstance(one.proposal, Update):
        yield one.sender.index
    elif isinstance(one.proposal, Remove):
        yield one.proposal.removed


def _check_leaves_touched_once(resolved: Sequence[ResolvedProposal]) -> None:
    touched = [leaf for one in resolved for leaf in _touched(one)]
    # "multiple Update and/or Remove proposals that apply to the same leaf" (12.2)
    if len(set(touched)) != len(touched):
        raise PeerError("VAL-12.2-3", "two proposals change one leaf")


def _check_types_supported(
    tree: RatchetTree, context: GroupContext, resolved: Sequence[ResolvedProposal]
) -> None:
    types = {one.proposal.type for one in resolved if isinstance(one.proposal, UnknownProposal)}
    if types <= set(required_capabilities(context.extensions).proposals):
        return  # every member was held against these when it came
    removed = {one.proposal.removed for one in resolved if isinstance(one.proposal, Remove)}
    for index, leaf in tree.leaves():
        # "a non-default proposal type that is not supported by some members of the group that will
        # process the Commit" (12.2): who is removed need not, who is added does not process it.
        if index not in removed and not types <= set(leaf.capabilities.proposals):
            raise PeerError("VAL-12.2-10", "a proposal of a type that not all members support")


def _check_adds(tree: RatchetTree, resolved: Sequence[ResolvedProposal]) -> None:
    added = [one.proposal.key_package for one in resolved if isinstance(one.proposal, Add)]
    if not added:
        return
    keys = {key_package.leaf_node.signature_key for key_package in added}
    # "multiple Add proposals that contain KeyPackages that represent the same client" (12.2)
    if len(keys) != len(added):
        raise PeerError("VAL-12.2-4", "a client is added twice")
    _check_init_keys(added)


def _check_init_keys(added: Sequence[KeyPackage]) -> None:
    # "it MUST be unique among the set of KeyPackages created by this client" (10); as to different
    # clients, two Welcome entries under one key would go to whoever made it up.
    if len({key_package.init_key for key_package in added}) != len(added):
        raise PeerError("VAL-10-2", "an init key stands in two key packages")


def _check_at_most_once(resolved: Sequence[ResolvedProposal]) -> None:
    proposals = [one.proposal for one in resolved]
    psks = [proposal.psk for proposal in proposals if isinstance(proposal, PreSharedKey)]
    if len(set(psks)) != len(psks):
        raise PeerError("VAL-12.2-6", "a pre-shared key is named twice")
    if len(psks) > MOST_PSKS:
        raise PeerError("VAL-8.4-1", "too many pre-shared keys")
    if sum(isinstance(proposal, GroupContextExtensions) for proposal in proposals) > 1:
        raise PeerError("VAL-12.2-7", "the extensions are replaced twice")
    if len(proposals) > 1 and any(isinstance(proposal, ReInit) for proposal in proposals):
        raise PeerError("VAL-12.2-8", "founding anew stands beside other proposals")


def check_external_list(
    tree: RatchetTree, context: GroupContext, resolved: Sequence[ResolvedProposal]
) -> None:
    """Check the list of an external Commit. Section 12.2, second part."""
    proposals = [one.proposal for one in resolved]
    # "External Commits MUST NOT include any proposals by reference" (12.4.3.2)
    if any(one.reference is not None for one in resolved):
        raise PeerError("VAL-12.4.3.2-1", "an external commit refers to proposals")
    if sum(isinstance(proposal, ExternalInit) for proposal in proposals) != 1:
        raise PeerError("VAL-12.2-11", "an external commit has one external init")
    if sum(isinstance(proposal, Remove) for proposal in proposals) > 1:
        raise PeerError("VAL-12.2-12", "an external commit removes more than one leaf")
    if not all(isinstance(p, ExternalInit | Remove | PreSharedKey) for p in proposals):
        raise PeerError("VAL-12.2-13", "an external commit has a proposal that it must not have")
    for one in resolved:
        check_proposal(tree, context, one.proposal, one.sender)
    _check_at_most_once(resolved)
