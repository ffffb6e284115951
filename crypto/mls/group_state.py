"""What a member holds in one epoch, as one immutable value, and how the next epoch's is made.

Never decides whether a change is valid. Deciding and sending are in the files beside it; group.py
is their common face.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TypeVar

from crypto.errors import PeerError
from crypto.mls import key_schedule, secret_tree, transcript
from crypto.mls.applying import Applied
from crypto.mls.census import Census
from crypto.mls.framing import Sender
from crypto.mls.group_context import GroupContext
from crypto.mls.key_schedule import EpochSecrets
from crypto.mls.proposals import Proposal, ReInit
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.secret_tree import SecretTree
from crypto.mls.suite import Suite
from crypto.mls.treekem import PrivateKeys

G = TypeVar("G", bound="GroupState")

_LAST_EPOCH = 2**64 - 1
# How far back a resumption PSK may name an epoch. They serve for nothing else, but each one kept
# could prove membership in its epoch to whoever steals it.
MOST_PAST_PSKS = 8


class InvalidCommit(PeerError):
    """A Commit that no member can accept: what fails is the same for everybody.

    But for "VAL-12.4.2-3": others may have the pre-shared key that is missing here.
    """


class UnusablePath(PeerError):
    """A Commit that this member cannot follow, though others may."""


@dataclass(frozen=True, slots=True)
class PendingProposal:
    """A proposal that has arrived in this epoch and that a Commit may refer to."""

    reference: bytes
    sender: Sender
    proposal: Proposal
    authenticated_data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class GroupState:
    """One epoch of one member.

    `own_updates` are private keys of own Updates, by public key; `past_psks` are epochs and their
    resumption secrets, newest first. `reinit` says how the group is to be founded anew, when the
    Commit that opened this epoch closed it.
    """

    suite: Suite
    context: GroupContext
    own_leaf: int
    tree: RatchetTree = field(repr=False)
    census: Census = field(repr=False)
    private_keys: PrivateKeys = field(repr=False)
    secrets: EpochSecrets = field(repr=False)
    secret_tree: SecretTree = field(repr=False)
    interim_transcript_hash: bytes
    confirmation_tag: bytes
    pending_proposals: tuple[PendingProposal, ...] = ()
    own_updates: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    past_psks: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    reinit: ReInit | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nobody sends here any more, because the group is being founded anew. 12.4.2."""
        return self.reinit is not None

    def resumption_psk(self, epoch: int) -> bytes | None:
        """The resumption secret of this epoch or of one shortly before it, or None. 8.6."""
        if epoch == self.context.epoch:
            return self.secrets.resumption_psk
        return next((psk for past, psk in self.past_psks if past == epoch), None)

    def with_secret_tree(self: G, secret_tree: SecretTree) -> G:
        """The state with other message keys: all that a message changes.

        What dataclasses.replace would do, at a fraction of the time: each message pays for it.
        """
        after = object.__new__(type(self))
        for put, value in zip(_SETTERS, _VALUES(self), strict=True):
            put(after, value)
        object.__setattr__(after, "secret_tree", secret_tree)
        return after


_NAMES = tuple(field.name for field in fields(GroupState))
_VALUES = attrgetter(*_NAMES)
_SETTERS = tuple(getattr(GroupState, name).__set__ for name in _NAMES)


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """The shared part of an epoch that begins; `joiner_secret` goes into Welcomes, then away."""

    context: GroupContext
    secrets: EpochSecrets
    encryption_secret: bytes = field(repr=False)
    joiner_secret: bytes = field(repr=False)
    confirmation_tag: bytes
    interim_transcript_hash: bytes


def provisional_context(old: GroupContext, applied: Applied, tree: RatchetTree) -> GroupContext:
    """The new GroupContext but for its transcript hash, which is still the old. 12.4.1."""
    # VAL-12-1: epochs are "eight-octet" values, each one more than the one before (12)
    if old.epoch >= _LAST_EPOCH:
        raise PeerError("epochs_exhausted", "there is no epoch after this one")
    return GroupContext(
        old.version,
        old.suite,
        old.group_id,
        epoch=old.epoch + 1,
        tree_hash=tree.hash(),
        confirmed_transcript_hash=old.confirmed_transcript_hash,
        extensions=applied.extensions,
    )


def begin_epoch(
    suite: Suite,
    provisional: GroupContext,
    *,
    confirmed: bytes,
    init_secret: bytes,
    commit_secret: bytes,
    psks: bytes,
) -> NewEpoch:
    """The secrets of the epoch that a Commit opens. Section 8.

    `confirmed` is the new confirmed transcript hash, `psks` the psk_secret.
    """
    context = GroupContext(
        provisional.version,
        provisional.suite,
        provisional.group_id,
        epoch=provisional.epoch,
        tree_hash=provisional.tree_hash,
        confirmed_transcript_hash=confirmed,
        extensions=provisional.extensions,
    )
    encoded = context.encode()
    joiner = key_schedule.joiner_secret(
        suite, init_secret, commit_secret=commit_secret, context=encoded
    )
    return epoch_of_joiner(suite, context, joiner_secret=joiner, psks=psks)


def epoch_of_joiner(
    suite: Suite, context: GroupContext, *, joiner_secret: bytes, psks: bytes
) -> NewEpoch:
    """The same from the joiner_secret on: where a newcomer begins."""
    secrets, encryption = key_schedule.epoch_secrets(
        suite, joiner_secret, psk_secret=psks, context=context.encode()
    )
    confirmed = context.confirmed_transcript_hash
    tag = transcript.confirmation_tag(suite, secrets.confirmation_key, confirmed)
    interim = transcript.interim_hash(suite, confirmed, tag)
    return NewEpoch(context, secrets, encryption, joiner_secret, tag, interim)


def state_of(
    kind: type[G],
    suite: Suite,
    epoch: NewEpoch,
    *,
    own_leaf: int,
    tree: RatchetTree,
    census: Census,
    private_keys: PrivateKeys,
    before: GroupState | None = None,
    reinit: ReInit | None = None,
) -> G:
    """A member's state at the start of an epoch: nothing pending, every key unused.

    `before` is this member's own state in the epoch before, if it was a member then.
    """
    past: tuple[tuple[int, bytes], ...] = ()
    if before is not None:
        past = ((before.context.epoch, before.secrets.resumption_psk), *before.past_psks)
    return kind(
        suite,
        epoch.context,
        own_leaf,
        tree=tree,
        census=census,
        private_keys=private_keys,
        secrets=epoch.secrets,
        secret_tree=secret_tree.create(suite, tree.capacity, epoch.encryption_secret),
        interim_transcript_hash=epoch.interim_transcript_hash,
        confirmation_tag=epoch.confirmation_tag,
        past_psks=past[:MOST_PAST_PSKS],
        reinit=reinit,
    )
