"""Chooses which pending proposals a Commit can cover, and checks a list before it is committed.

Never lets one bad proposal keep all others from being committed. RFC 9420, section 12.2.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crypto.errors import PeerError
from crypto.mls.applying import Applied, apply_proposals
from crypto.mls.group_state import GroupState, combined_psks
from crypto.mls.proposal_rules import ResolvedProposal, check_member_list
from crypto.mls.proposals import Remove, Update
from crypto.mls.validation import check_all_leaves_support, check_new_leaves

# Every proposal but a Remove is tried together with all before it: a few of them are enough.
MOST_TRIED = 32


def checked(
    group: GroupState, resolved: Sequence[ResolvedProposal], psks: Mapping[bytes, bytes]
) -> tuple[Applied, bytes]:
    """What a list makes of the group, and its psk_secret; PeerError names the rule it breaks."""
    check_member_list(group.tree, group.context, resolved, committer=group.own_leaf)
    applied = apply_proposals(group.tree, group.context.extensions, resolved)
    census = group.census.moved(group.tree, applied.tree)
    check_new_leaves(group.tree, applied.tree, census, applied.extensions)
    if applied.replaces_extensions:
        check_all_leaves_support(applied.tree, applied.extensions)
    return applied, combined_psks(group.suite, applied.psks, psks, state=group)


def coverable(
    group: GroupState, own: Sequence[ResolvedProposal], psks: Mapping[bytes, bytes]
) -> tuple[ResolvedProposal, ...]:
    """The pending proposals that this member may commit beside its own, in their order.

    "If the committer has received multiple such proposals they SHOULD prefer any Remove received,
    or the most recent Update if there are no Removes" (12.2).
    """
    pending = [
        ResolvedProposal(one.proposal, one.sender, one.reference, one.authenticated_data)
        for one in group.pending_proposals
    ]
    kept = list(_removes(group.own_leaf, pending, own))
    others = [one for one in reversed(pending) if not isinstance(one.proposal, Remove)]
    for one in others[:MOST_TRIED]:
        if _is_valid(group, [*own, *kept, one], psks):
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
    group: GroupState, resolved: Sequence[ResolvedProposal], psks: Mapping[bytes, bytes]
) -> bool:
    try:
        checked(group, resolved, psks)
    except PeerError:
        return False
    return True
