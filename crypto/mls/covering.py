"""Chooses which pending proposals a Commit can cover, and checks a list before it is committed.

Never lets one bad proposal keep all others from being committed. RFC 9420, section 12.2.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crypto.errors import PeerError
from crypto.mls.applying import Applied, apply_proposals
from crypto.mls.group_state import GroupState
from crypto.mls.leaf_node import LeafContent
from crypto.mls.proposal_rules import ResolvedProposal, check_member_list
from crypto.mls.proposals import ReInit, Remove, Update
from crypto.mls.psk import ResumptionUsage
from crypto.mls.psk_lookup import combined_psks
from crypto.mls.validation import check_all_leaves_support, check_new_leaves, check_supports

# When not all are valid together, every one but a Remove is tried with all before it: a few of them
# are enough.
MOST_TRIED = 32


def checked(
    group: GroupState,
    resolved: Sequence[ResolvedProposal],
    psks: Mapping[bytes, bytes],
    *,
    own: LeafContent | None = None,
    earlier: Sequence[GroupState] = (),
    usage: ResumptionUsage = ResumptionUsage.APPLICATION,
) -> tuple[Applied, bytes]:
    """What a list makes of the group, and its psk_secret; PeerError names the rule it breaks.

    `own` is the leaf that the Commit's path will bring, if it is known. Resumption keys are the
    group's own, or those of the `earlier` states.
    """
    check_member_list(group.tree, group.context, resolved, committer=group.own_leaf, usage=usage)
    applied = apply_proposals(group.tree, group.context.extensions, resolved)
    census = group.census.moved(group.tree, applied.tree)
    check_new_leaves(group.tree, applied.tree, census, applied.extensions)
    if applied.replaces_extensions:
        # These need a path (12.4), so what counts of this member is its new leaf.
        but = None if own is None else group.own_leaf
        check_all_leaves_support(applied.tree, applied.extensions, but=but)
        if own is not None:
            check_supports(own.capabilities, applied.extensions)
    states = (group, *earlier)
    return applied, combined_psks(group.suite, applied.psks, psks, states=states)


def coverable(
    group: GroupState,
    own: Sequence[ResolvedProposal],
    psks: Mapping[bytes, bytes],
    *,
    leaf: LeafContent | None = None,
    earlier: Sequence[GroupState] = (),
) -> tuple[ResolvedProposal, ...]:
    """The pending proposals that this member may commit beside its own, in their order.

    `leaf` and `earlier` as for `checked`.

    "If the committer has received multiple such proposals they SHOULD prefer any Remove received,
    or the most recent Update if there are no Removes" (12.2). A ReInit comes last: "they SHOULD
    prefer them over the ReInit proposal".
    """
    pending = [
        ResolvedProposal(one.proposal, one.sender, one.reference, one.authenticated_data)
        for one in group.pending_proposals
    ]
    kept = list(_removes(group.own_leaf, pending, own))
    others = [one for one in reversed(pending) if not isinstance(one.proposal, Remove)]
    others.sort(key=lambda one: isinstance(one.proposal, ReInit))
    if _is_valid(group, [*own, *kept, *others], psks, leaf, earlier):
        kept += others
    else:
        for one in others[:MOST_TRIED]:
            if _is_valid(group, [*own, *kept, one], psks, leaf, earlier):
                kept.append(one)
    order = {one.reference: place for place, one in enumerate(pending)}
    return tuple(sorted(kept, key=lambda one: order[one.reference]))


def _removes(
    own_leaf: int, pending: Iterable[ResolvedProposal], own: Iterable[ResolvedProposal]
) -> Iterator[ResolvedProposal]:
    """One pending Remove for each leaf, except for those that the own proposals remove."""
    taken = {one.proposal.removed for one in own if isinstance(one.proposal, Remove)}
    taken.update(one.sender.index for one in own if isinstance(one.proposal, Update))
    taken.add(own_leaf)  # nobody commits its own removal
    for one in pending:
        if isinstance(one.proposal, Remove) and one.proposal.removed not in taken:
            taken.add(one.proposal.removed)
            yield one


def _is_valid(
    group: GroupState,
    resolved: Sequence[ResolvedProposal],
    psks: Mapping[bytes, bytes],
    leaf: LeafContent | None,
    earlier: Sequence[GroupState],
) -> bool:
    try:
        checked(group, resolved, psks, own=leaf, earlier=earlier)
    except PeerError:
        return False
    return True
