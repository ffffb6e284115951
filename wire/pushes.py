"""What a relay sends unasked.

Never any logic.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from wire.entry import Id, Name, Seq
from wire.fields import Frame, SuiteNumber
from wire.replies import Entry, InboxEntry


class Entries(Frame, frozen=True, tag=140):
    """New entries of one log, in order; own ones are not among them (see Accepted)."""

    conversation: Id
    entries: tuple[Entry, ...]


class InboxPush(Frame, frozen=True, tag=141):
    """A new Welcome."""

    entry: InboxEntry


class Presence(Frame, frozen=True, tag=142):
    """Who came and went: (account, display, online)."""

    changes: tuple[tuple[Name, Name, bool], ...]


class EndReason(StrEnum):
    """Why the relay ends a connection on purpose."""

    KICKED = "kicked"
    BANNED = "banned"
    REVOKED = "revoked"  # the device was logged out for good
    REPLACED = "replaced"  # the same device connected again
    SHUTDOWN = "shutdown"  # the relay drains; come back
    SLOW = "slow"  # the queue to this client was full; come back and catch up


class Ended(Frame, frozen=True, tag=143):
    """The last frame of a connection that the relay ends on purpose. `until_ms`: -1 for good."""

    reason: EndReason
    by: str = ""
    text: str = ""
    until_ms: int = 0


class NoticeKind(StrEnum):
    """What everybody online is told."""

    KICKED = "kicked"
    BANNED = "banned"
    UNBANNED = "unbanned"
    MUTED = "muted"
    UNMUTED = "unmuted"
    PROMOTED = "promoted"
    DEMOTED = "demoted"
    ANNOUNCEMENT = "announcement"


class Notice(Frame, frozen=True, tag=144):
    """Something happened to somebody, or an announcement. `until_ms`: -1 for good."""

    kind: NoticeKind
    account: str
    display: str
    by: str
    text: str = ""
    until_ms: int = 0


class CommitWanted(Frame, frozen=True, tag=145):
    """A Remove waits: this device is asked to commit it now."""

    conversation: Id
    stands_on: Seq


class Tally(Frame, frozen=True, tag=146):
    """How a commit of this device is judged so far."""

    conversation: Id
    seq: Seq
    accepted: int
    refused: int
    undone: bool


class Undone(Frame, frozen=True, tag=147):
    """A commit's effects were undone, most having refused it."""

    conversation: Id
    seq: Seq


class PackagesLow(Frame, frozen=True, tag=148):
    """Publish more KeyPackages of this suite."""

    suite: SuiteNumber
    left: int


class ConversationChanged(Frame, frozen=True, tag=149):
    """The account's conversations changed (a new one, one closed): ask Heads again."""

    conversation: Id


class RootChanged(Frame, frozen=True, tag=150):
    """An account has a new identity: look it up before sending."""

    account: Name


Push: TypeAlias = (
    Entries
    | InboxPush
    | Presence
    | Ended
    | Notice
    | CommitWanted
    | Tally
    | Undone
    | PackagesLow
    | ConversationChanged
    | RootChanged
)
