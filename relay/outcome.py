"""What an operation decided: the answer to its sender, and what others are to be told.

Never sends anything: the bus does, after the database has committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from wire.errors import WireError
from wire.pushes import Ended, Push
from wire.replies import Conflict, Entry, InboxEntry, Reply


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


@dataclass(frozen=True, slots=True)
class Said:
    """New messages of one conversation's log, in order, that several devices sent.

    `askers`: for each entry, which of the batch's requests it was.
    """

    conversation: bytes
    entries: tuple[Entry, ...]
    askers: tuple[int, ...]
    readers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of many messages: for each a Seq, a Conflict, or why it was refused."""

    answers: tuple[int | Conflict | WireError, ...]
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
