"""The verdict over a commit: a pure function of what all members of the epoch share.

Never reads a clock, a local pin, or anything that only some members hold. Each rule has an id
(J-1 ...), which a refusal carries and a test names. MLS's own rules come before, in crypto/mls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crypto.mls.extensions import Extension
from crypto.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    Remove,
)
from crypto.mls.psk import ExternalPskId
from engine.group_policy import check_extensions, closed, policy_in
from engine.orders import is_own_wish
from engine.roster import MemberLike, Place, Refused, Roster, effects_of
from wire.entry import Effect, EffectKind, RemovalData
from wire.limits import ID_BYTES
from wire.policy import POLICY_EXTENSION, JoinRule, Kind, Policy
from wire.suites import MAX_LEAVES, SUITES

_ALLOWED: Final = (Add, Remove, PreSharedKey, ExternalInit, GroupContextExtensions)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A Remove of the relay that waits to be committed."""

    leaf: int
    data: RemovalData


@dataclass(frozen=True, slots=True)
class Standing:
    """What the members of an epoch share, as far as the rules look at it."""

    conversation: bytes
    suite: int
    extensions: tuple[Extension, ...]
    policy: Policy
    roster: Roster
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal of a commit; `is_relays`: sent before by the relay, and named by reference."""

    proposal: Proposal
    by_reference: bool = False
    is_relays: bool = False


@dataclass(frozen=True, slots=True)
class CommitView:
    """A commit that MLS finds valid, as the rules see it.

    `committer`: his place before it, or for an external commit the place that he takes. `path`: the
    leaf that his path brings. `effects`: as declared in the entry's signed description.
    `is_encrypted`: whether it travelled as members' commits do.
    """

    effects: tuple[Effect, ...]
    is_external: bool
    committer: Place
    path: Place | None
    proposals: tuple[Proposed, ...]
    added: tuple[Place, ...] = ()
    removed: tuple[Place, ...] = ()
    is_encrypted: bool = True


def judge(before: Standing, commit: CommitView) -> Standing:
    """Return what stands after an accepted commit; raise Refused with the rule's id."""
    for rule in _RULES:
        rule(before, commit)
    extensions = _extensions_after(before, commit)
    removed = [place.leaf for place in commit.removed]
    roster = before.roster.changed(removed, commit.added)  # J-3, J-4
    _check_size(before.suite, roster)
    return Standing(before.conversation, before.suite, extensions, policy_in(extensions), roster)


def _check_size(suite: int, roster: Roster) -> None:
    # A limit of ours: commits in a larger group would not fit the frames (wire/suites.py).
    if len(roster) > MAX_LEAVES[suite]:
        raise Refused("J-18", "too many leaves")


def judge_group(
    conversation: bytes,
    extensions: Sequence[Extension],
    members: Sequence[MemberLike],
    *,
    suite: int,
    relay_key: bytes,
) -> Standing:
    """Return what stands in a group that one is about to join; `suite` is its suite's number.

    Raises Refused: J-2, J-3, J-4 for its members, J-8, J-19, J-20, J-21, J-25 for the rest.
    """
    if suite not in SUITES:
        raise Refused("J-25", "a suite that conversations do not have")
    if len(conversation) != ID_BYTES:
        raise Refused("J-21", "the group id is not a conversation's")
    policy = check_extensions(extensions, relay_key=relay_key)
    roster = Roster.of(members)
    _check_size(suite, roster)
    if policy.kind is Kind.DIRECT and any(place.root not in policy.owners for place in roster):
        raise Refused("J-20", "a stranger in a direct conversation")
    return Standing(conversation, suite, tuple(extensions), policy, roster)


def _effects_are_true(before: Standing, commit: CommitView) -> None:
    changes = [(EffectKind.REMOVED, place) for place in commit.removed]
    changes += [(EffectKind.ADDED, place) for place in commit.added]
    if commit.effects != effects_of(changes):
        raise Refused("J-1", "the declared effects are not the actual ones")


def _members_encrypt(before: Standing, commit: CommitView) -> None:
    # MLS lets members commit in the open; the relay is not to see who commits what.
    if not commit.is_external and not commit.is_encrypted:
        raise Refused("J-24", "a member's commit in the open")


def _proposals_are_known(before: Standing, commit: CommitView) -> None:
    for proposed in commit.proposals:
        if not isinstance(proposed.proposal, _ALLOWED):
            raise Refused("J-16", "a kind of proposal that conversations do not have")
        is_removal = isinstance(proposed.proposal, Remove)
        if proposed.by_reference and not (proposed.is_relays and is_removal):
            raise Refused("J-15", "only the relay's Remove is committed by reference")


def _path_keeps_the_chain(before: Standing, commit: CommitView) -> None:
    path, committer = commit.path, commit.committer
    if path is None:
        return
    if (path.chain, path.key_hash) != (committer.chain, committer.key_hash):
        raise Refused("J-5", "the committer's leaf changed hands")


def _waiting_removals_are_done(before: Standing, commit: CommitView) -> None:
    gone = {place.leaf for place in commit.removed}
    if not commit.is_external and any(waiting.leaf not in gone for waiting in before.waiting):
        raise Refused("J-14", "a Remove of the relay is left out")


def _may_remove(before: Standing, commit: CommitView) -> None:
    ordered = {waiting.leaf for waiting in before.waiting}
    for place in commit.removed:
        if commit.is_external:
            if place.device != commit.committer.device:
                raise Refused("J-13", "who comes from outside removes only his own old leaf")
        elif place.leaf not in ordered and not _may_expel(before.policy, commit.committer, place):
            raise Refused("J-10", "no right to remove this member")


def _may_expel(policy: Policy, committer: Place, place: Place) -> bool:
    if place.root == committer.root:
        return True
    if policy.kind is not Kind.ROOM:
        return False
    if committer.root in policy.owners:
        return True
    return committer.root in policy.admins and place.root not in policy.owners


def _may_add(before: Standing, commit: CommitView) -> None:
    if commit.is_external:
        return
    for place in commit.added:
        if not _may_invite(before.policy, commit.committer, place):
            raise Refused("J-9", "no right to add this member")


def _may_invite(policy: Policy, committer: Place, place: Place) -> bool:
    if policy.kind is Kind.DIRECT:
        return place.root in policy.owners
    if place.root == committer.root:
        return True
    if policy.kind is Kind.LOBBY:
        return False
    return policy.join is not JoinRule.INVITE or is_officer(policy, committer.root)


def is_officer(policy: Policy, root: bytes) -> bool:
    """Tell whether a root is an owner or an admin of a room."""
    return root in policy.owners or root in policy.admins


def _may_come_in(before: Standing, commit: CommitView) -> None:
    if not commit.is_external:
        return
    policy, root = before.policy, commit.committer.root
    if policy.kind is Kind.DIRECT:
        allowed = root in policy.owners
    elif before.roster.has_root(root):
        allowed = True  # a device of a member's account; a password room asks for its key (J-12)
    else:
        is_shut = policy.lock is not None and policy.lock.closed
        allowed = policy.join is not JoinRule.INVITE and not is_shut
    if not allowed:
        raise Refused("J-11", "no right to join from outside")


def _key_is_proved(before: Standing, commit: CommitView) -> None:
    keys = [p.proposal.psk for p in commit.proposals if isinstance(p.proposal, PreSharedKey)]
    lock = before.policy.lock
    if lock is None or not commit.is_external:
        if keys:
            raise Refused("J-12", "a pre-shared key that the room does not ask for")
        return
    wanted = len(keys) == 1 and isinstance(keys[0], ExternalPskId) and keys[0].psk_id == lock.psk_id
    if not wanted:
        raise Refused("J-12", "the room's own key is not proved")


def _extensions_after(before: Standing, commit: CommitView) -> tuple[Extension, ...]:
    for proposed in commit.proposals:
        if isinstance(proposed.proposal, GroupContextExtensions):
            return proposed.proposal.extensions
    return before.extensions


def _others(extensions: Sequence[Extension]) -> list[Extension | None]:
    return [None if found.type == POLICY_EXTENSION else found for found in extensions]


def _extensions_stay(before: Standing, commit: CommitView) -> None:
    if _others(_extensions_after(before, commit)) != _others(before.extensions):
        raise Refused("J-6", "an extension other than the policy changed")


def _policy_changes_rightly(before: Standing, commit: CommitView) -> None:
    old, new = before.policy, policy_in(_extensions_after(before, commit))
    if old.lock is not None and expels(before, commit.committer, commit.removed):
        if new != closed(old):
            raise Refused("J-17", "removing somebody closes a password room and changes no more")
        return
    if new == old:
        return
    if old.kind is not Kind.ROOM or (new.kind, new.name) != (old.kind, old.name):
        raise Refused("J-8", "what never changes of a policy changed")
    if commit.is_external or commit.committer.root not in old.owners:
        raise Refused("J-7", "only owners change the policy")
    if new.lock is not None and new.lock != old.lock and not _is_fresh(old, new):
        raise Refused("J-22", "a new lock needs a new key id and is open")


def _is_fresh(old: Policy, new: Policy) -> bool:
    reused = old.lock is not None and new.lock is not None and new.lock.psk_id == old.lock.psk_id
    return not reused and new.lock is not None and not new.lock.closed


def expels(before: Standing, committer: Place, removed: Sequence[Place]) -> bool:
    """Tell whether a commit removes somebody who did not wish it (J-17 then closes the room)."""
    wishes = {
        waiting.leaf
        for waiting in before.waiting
        if (place := before.roster.at(waiting.leaf)) is not None
        and is_own_wish(waiting.data, place, before.conversation)
    }
    return any(place.root != committer.root and place.leaf not in wishes for place in removed)


_RULES: Final[tuple[Callable[[Standing, CommitView], None], ...]] = (
    _effects_are_true,
    _members_encrypt,
    _proposals_are_known,
    _path_keeps_the_chain,
    _waiting_removals_are_done,
    _may_remove,
    _may_add,
    _may_come_in,
    _key_is_proved,
    _extensions_stay,
    _policy_changes_rightly,
)
