"""Groups that follow from another one: founded anew in its place, or branched off. 11.2 and 11.3.

Never links a group to one that this client was not in: the link is the other's resumption secret.
"""

import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crypto.errors import PeerError, UsageError
from crypto.mls.applying import Member, member_at
from crypto.mls.drafting import Draft, draft
from crypto.mls.extensions import Extension
from crypto.mls.founding import found
from crypto.mls.group_context import GroupContext
from crypto.mls.group_state import G, GroupState
from crypto.mls.hpke import Random
from crypto.mls.key_package import KeyPackage, LeafConfig
from crypto.mls.leaf_node import MLS10
from crypto.mls.proposals import Add, ReInit, resumption_psk
from crypto.mls.psk import PskId, ResumptionPskId, ResumptionUsage
from crypto.mls.psk_lookup import state_of_psk
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite, suite_by_number

# What two members have to share to be the same client "according to the application".
Identity: TypeAlias = Callable[[Member], Hashable]


def credential_of(member: Member) -> Hashable:
    """The simplest identity: the whole credential."""
    return member.credential


@dataclass(frozen=True, slots=True)
class Link:
    """What ties a new group to the `earlier` one whose resumption secret its Welcome names."""

    psk: ResumptionPskId
    earlier: GroupState

    def check(self, context: GroupContext, tree: RatchetTree, *, identity: Identity) -> None:
        """Check a new group as somebody does who joins it; PeerError names the rule. 12.4.3.1."""
        # "verify that the epoch field in the GroupInfo is equal to 1"
        if context.epoch != 1:
            raise PeerError("VAL-12.4.3.1-11", "a linked group does not begin here")
        members, before = _identities(tree, identity), _identities(self.earlier.tree, identity)
        if self.psk.usage is ResumptionUsage.REINIT:
            _check_parameters(self.psk, self.earlier, context)
            # "verify that all the members of the old group are also members of the new group"
            if not before <= members:
                raise PeerError("VAL-12.4.3.1-13", "the new group leaves somebody out")
            return
        old = self.earlier.context
        # "the version and cipher_suite of the new group match those of the old group"
        if (context.version, context.suite) != (old.version, old.suite):
            raise PeerError("VAL-12.4.3.1-14", "a branch is of another version or suite")
        # "the members of the new group compose a subset of the members of the old group"
        if not members <= before:
            raise PeerError("VAL-12.4.3.1-15", "a branch has a member whom the group had not")


def link_of(psks: Sequence[PskId], earlier: Sequence[GroupState]) -> Link | None:
    """What a Welcome's list of keys, all of them found, says of the group; None: it stands alone.

    Raises PeerError("VAL-12.4.3.1-10").
    """
    linking = [
        psk
        for psk in psks
        if isinstance(psk, ResumptionPskId) and psk.usage is not ResumptionUsage.APPLICATION
    ]
    # "if a PreSharedKeyID has type resumption with usage reinit or branch, verify that it is the
    # only such PSK" (12.4.3.1)
    if len(linking) > 1:
        raise PeerError("VAL-12.4.3.1-10", "a group follows from one other at most")
    for psk in linking:
        state = state_of_psk(psk, earlier)
        assert state is not None  # its secret opened the Welcome
        return Link(psk, state)
    return None


def _identities(tree: RatchetTree, identity: Identity) -> set[Hashable]:
    return {identity(member_at(index, leaf)) for index, leaf in tree.leaves()}


def _check_parameters(psk: ResumptionPskId, earlier: GroupState, context: GroupContext) -> None:
    wanted = earlier.reinit
    # "verify that the last Commit to the referenced group contains a ReInit proposal and that the
    # group_id, version, cipher_suite, and group_context.extensions fields of the GroupInfo match"
    if wanted is None or psk.epoch != earlier.context.epoch:
        raise PeerError("VAL-12.4.3.1-12", "the earlier group is not being founded anew")
    found_anew = ReInit(context.group_id, context.version, context.suite, context.extensions)
    if found_anew != wanted:
        raise PeerError("VAL-12.4.3.1-12", "the new group is not the one that was agreed on")


def reinitialize(
    kind: type[G],
    old: GroupState,
    key_packages: Iterable[KeyPackage],
    *,
    config: LeafConfig,
    identity: Identity = credential_of,
    random: Random = os.urandom,
) -> Draft[G]:
    """The Commit that a group begins with which takes the place of a closed one. Section 11.2.

    `key_packages` are those of all other members, of the new suite as `config` is. Raises
    UsageError when the old group is not closed or the members are not the same, PeerError with the
    rule that a KeyPackage breaks, or "unsupported_suite".
    """
    wanted = old.reinit
    if wanted is None:
        raise UsageError("no Commit has closed the group")
    if wanted.version != MLS10:
        raise PeerError("unsupported_version", "the new group is of another version of MLS")
    made = _begun(
        kind,
        old,
        key_packages,
        usage=ResumptionUsage.REINIT,
        suite=suite_by_number(wanted.suite_number),
        group_id=wanted.group_id,
        config=config,
        extensions=wanted.extensions,
        random=random,
    )
    # "with the same members as the original group" (12.4.1)
    if _identities(made.applied.tree, identity) != _identities(old.tree, identity):
        raise UsageError("the new group has other members than the old one")
    return made


def branch(
    kind: type[G],
    old: GroupState,
    key_packages: Iterable[KeyPackage],
    *,
    group_id: bytes,
    config: LeafConfig,
    extensions: Sequence[Extension],
    identity: Identity = credential_of,
    random: Random = os.urandom,
) -> Draft[G]:
    """The Commit that a group of some members of another begins with. Section 11.3.

    `key_packages` are fresh ones of the others. Raises UsageError when somebody is not a member of
    the old group or the id is that one's, PeerError with the rule that a KeyPackage breaks.
    """
    if group_id == old.context.group_id:
        raise UsageError("a branch has an id of its own")
    made = _begun(
        kind,
        old,
        key_packages,
        usage=ResumptionUsage.BRANCH,
        suite=old.suite,
        group_id=group_id,
        config=config,
        extensions=extensions,
        random=random,
    )
    if not _identities(made.applied.tree, identity) <= _identities(old.tree, identity):
        raise UsageError("a branch has members of the old group only")
    return made


def _begun(
    kind: type[G],
    old: GroupState,
    key_packages: Iterable[KeyPackage],
    *,
    usage: ResumptionUsage,
    suite: Suite,
    group_id: bytes,
    config: LeafConfig,
    extensions: Sequence[Extension],
    random: Random,
) -> Draft[G]:
    """The first Commit of a group of one, which nobody else ever sees."""
    alone = found(kind, suite, group_id, config=config, extensions=extensions, random=random)
    past = old.context
    link = resumption_psk(suite, past.group_id, past.epoch, usage=usage, random=random)
    return draft(
        alone,
        [link, *map(Add, key_packages)],
        psks={},
        include_pending=False,
        path=True,
        config=None,
        earlier=(old,),
        usage=usage,
        random=random,
    )
