"""What an operation decided: the answer to its sender, and what others are to be told.

Never sends anything: the bus does, after the database has committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from wire.errors import WireError
from wire.pushes import Ended, Push
from wire.replies import Conflict, Entry, InboxEntry, Reply
from wire.requests import Append


@dataclass(frozen=True, slots=True)
class Stored:
    """New entries of a conversation's log, in order.

    `readers`: the devices (16 bytes each) that may read all of them. `sender` is among them, if it
    is not None, and gets the Accepted that is the operation's reply in their place.
    """

    conversation: bytes
    entries: tuple[Entry, ...]
    readers: tuple[bytes, ...]
    sender: bytes | None = None


class SaidRun(NamedTuple):
    """Messages that one device sent one after another; `place`: its parcel's in the batch.

    `answers`: the rid and the Seq of each.
    """

    place: int
    answers: list[tuple[int, int]]
    entries: list[Entry]
    size_bytes: int  # of the entries' messages


class Said(NamedTuple):
    """New messages of one conversation's log, in order, and the devices that may read them."""

    conversation: bytes
    runs: tuple[SaidRun, ...]
    readers: tuple[bytes, ...]


class Answered(NamedTuple):
    """A message that was not stored now: why, or the Seq that it got when it was."""

    place: int
    request: Append
    answer: int | Conflict | WireError


class Batch(NamedTuple):
    """What became of many messages: each is said, or answered otherwise."""

    answered: tuple[Answered, ...]
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class WelcomeStored:
    """A Welcome lies in a device's inbox."""

    device: bytes
    entry: InboxEntry


@dataclass(frozen=True, slots=True)
class ToDevices:
    """A push to single devices."""

    devices: tuple[bytes, ...]
    push: Push


@dataclass(frozen=True, slots=True)
class ToAccounts:
    """A push to every connected device of some accounts (canonical names)."""

    accounts: tuple[str, ...]
    push: Push


@dataclass(frozen=True, slots=True)
class ToEverybody:
    """A push to every connected device."""

    push: Push


@dataclass(frozen=True, slots=True)
class EndSessions:
    """End the connections of an account, or of one device; `ended` is their last frame."""

    account: str | None
    device: bytes | None
    ended: Ended


@dataclass(frozen=True, slots=True)
class AskCommit:
    """A Remove waits: ask one online device among `candidates` at a time to commit it.

    `stands_on` is the newest Remove's Seq. It is over when a commit of the conversation was stored
    or a newer AskCommit of the conversation came; without candidates nothing is to be asked.
    """

    conversation: bytes
    stands_on: int
    candidates: tuple[bytes, ...]


Event: TypeAlias = (
    Stored | WelcomeStored | ToDevices | ToAccounts | ToEverybody | EndSessions | AskCommit
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reply` is None where the relay itself acted; events are in the order to be told."""

    reply: Reply | None
    events: tuple[Event, ...] = ()
