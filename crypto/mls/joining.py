"""Joins a group from outside, by a Commit of one's own. RFC 9420, section 12.4.3.2.

Never believes a tree or a GroupInfo that a member's signature and every rule do not cover.
"""

import os
from collections.abc import Mapping, Sequence

from crypto.errors import PeerError
from crypto.mls import key_schedule, transcript
from crypto.mls.applying import Change, Member, apply_proposals
from crypto.mls.census import Census
from crypto.mls.drafting import Draft, check_own_leaf, new_leaf
from crypto.mls.extensions import ExtensionType, external_pub, find_extension
from crypto.mls.finishing import Base
from crypto.mls.framing import Sender, SenderType
from crypto.mls.group_state import G, GroupState
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig
from crypto.mls.leaf_node import MLS10
from crypto.mls.proposal_rules import ResolvedProposal, check_external_list
from crypto.mls.proposals import ExternalInit, Proposal, Remove, external_psk, resumption_psk
from crypto.mls.psk_lookup import combined_psks
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite, suite_by_number
from crypto.mls.validation import check_extensions, check_tree
from crypto.mls.welcome import GroupInfo, decode_group_info


def tree_of_group_info(info: GroupInfo, tree: RatchetTree | None, suite: Suite) -> RatchetTree:
    """The given tree, else the one that the GroupInfo carries (12.4.3.3); not compared yet.

    Raises PeerError("missing_tree") when there is none.
    """
    if tree is not None:
        return tree
    carried = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
    if carried is None:
        raise PeerError("missing_tree", "the GroupInfo carries no tree and none was given")
    return RatchetTree.decode(suite, carried)


def check_group_info(info: GroupInfo, tree: RatchetTree) -> Census:
    """Check a GroupInfo and its tree for somebody who is not in the group yet."""
    context = info.group_context
    if context.version != MLS10 or context.suite != tree.suite.number:
        raise PeerError("VAL-12.4.3.1-2", "the group is of another version or suite")
    # "the root hash of the ratchet tree matches the tree_hash of the GroupContext" (12.4.3.3)
    if tree.hash() != context.tree_hash:
        raise PeerError("VAL-12.4.3.1-1", "the tree is not the one that was signed")
    signer = tree.leaf(info.signer)
    if signer is None:
        raise PeerError("VAL-12.4.3-1", "the signer is no member")
    info.verify(tree.suite, signer.signature_key)
    check_extensions(tree.suite, context.extensions)
    return check_tree(tree, group_id=context.group_id, extensions=context.extensions)


def external_draft(
    kind: type[G],
    group_info: bytes,
    tree: RatchetTree | None,
    *,
    config: LeafConfig,
    remove_leaf: int | None = None,
    psk_ids: Sequence[bytes] = (),
    psks: Mapping[bytes, bytes],
    resumed: GroupState | None = None,
    random: Random = os.urandom,
) -> Draft[G]:
    """A Commit that joins from outside, removing the own old leaf `remove_leaf` if there is one.

    Without a `tree` it is taken from the GroupInfo. Each of `psk_ids` names
    an external key in `psks`. `resumed` is this member's last state in the group: its resumption
    key then shows that it was in. Raises PeerError when GroupInfo or tree break a rule, or the own
    new leaf would. Section 12.4.3.2.
    """
    info = decode_group_info(group_info)
    suite = suite_by_number(info.group_context.suite) if tree is None else tree.suite
    tree = tree_of_group_info(info, tree, suite)
    census = check_group_info(info, tree)
    public_key = external_pub(info.extensions)
    if public_key is None:
        raise PeerError("VAL-12.4.3.2-3", "the GroupInfo carries no external key")
    kem_output, init_secret = key_schedule.send_external_init(suite, public_key, random=random)
    base = _outside(kind, suite, info, tree=tree, census=census, init_secret=init_secret)
    proposals: list[Proposal] = [ExternalInit(kem_output)]
    if remove_leaf is not None:
        proposals.append(Remove(remove_leaf))
    proposals += [external_psk(suite, psk_id, random=random) for psk_id in psk_ids]
    if resumed is not None:
        past = resumed.context
        proposals.append(resumption_psk(suite, past.group_id, past.epoch, random=random))
    states = () if resumed is None else (resumed,)
    return _drafted(base, proposals, config, psks=psks, states=states, random=random)


def _outside(
    kind: type[G],
    suite: Suite,
    info: GroupInfo,
    *,
    tree: RatchetTree,
    census: Census,
    init_secret: bytes,
) -> Base[G]:
    confirmed = info.group_context.confirmed_transcript_hash
    return Base(
        kind,
        None,
        suite,
        info.group_context,
        tree,
        census=census,
        interim_transcript_hash=transcript.interim_hash(suite, confirmed, info.confirmation_tag),
        init_secret=init_secret,
    )


def _drafted(
    base: Base[G],
    proposals: Sequence[Proposal],
    config: LeafConfig,
    *,
    psks: Mapping[bytes, bytes],
    states: Sequence[GroupState],
    random: Random,
) -> Draft[G]:
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    resolved = tuple(ResolvedProposal(proposal, sender) for proposal in proposals)
    check_external_list(base.tree, base.context, resolved)
    applied = apply_proposals(base.tree, base.context.extensions, resolved)
    leaf = new_leaf(base.suite, applied.tree.next_free(), config, random=random)
    check_own_leaf(base.census.moved(base.tree, applied.tree), applied, leaf)
    psk_secret = combined_psks(base.suite, applied.psks, psks, states=states)
    content = leaf.content
    own = Member(leaf.index, content.credential, content.signature_key, content.encryption_key)
    changes = (*applied.changes, Change("added", leaf.index, own))
    return Draft(base, resolved, applied, leaf, leaf.index, psk_secret, changes)
