"""What a relay answers: each frame but the hello and Accepted carries the request's `rid`.

Never any logic.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta, field

from wire.entry import Id, Key, Name, Seq
from wire.fields import (
    Certificate,
    Frame,
    GroupInfoBytes,
    KeyPackageBytes,
    Message,
    Node,
    Nonce,
    Rid,
    SealedRoot,
    ShortText,
    Signature,
    SuiteNumber,
    TimeMs,
)
from wire.limits import ID_BYTES
from wire.policy import JoinRule, Kind


class RelayHello(Frame, frozen=True, tag=100):
    """The answer to Hello.

    `signature`: purpose RELAY_HELLO over both nonces and SHA-256 of the relay's TLS
    SubjectPublicKeyInfo; `relay_key` is the Ed25519 key whose SHA-256 is the fingerprint.
    """

    version: Annotated[int, Meta(ge=0, lt=1 << 16)]
    relay_key: Key
    nonce: Nonce
    signature: Signature
    greeting: ShortText = ""


class Ok(Frame, frozen=True, tag=101):
    """Done."""

    rid: Rid


class Failed(Frame, frozen=True, tag=102):
    """Refused: `code` is a wire.errors.Code, `text` one line, `data` small public facts."""

    rid: Rid
    code: Annotated[str, Meta(max_length=64)]
    text: Annotated[str, Meta(max_length=1024)]
    data: dict[str, str | int | bool | None] = field(default_factory=dict)


class Conflict(Frame, frozen=True, tag=103):
    """The entry does not stand on the newest commit or proposal.

    Catch up to `stands_on`, protect the content again, repeat. Never stored. `removal`: the newest
    is a Remove that waits to be committed.
    """

    rid: Rid
    stands_on: Seq
    removal: bool = False


class Accepted(Frame, frozen=True, tag=104):
    """Answers to Appends of one turn: (rid, seq) each.

    Own entries are not pushed: on this connection an Accepted stands, among the Entries of its
    conversation, exactly where the entry itself would.
    """

    answers: tuple[tuple[Rid, Seq], ...]


class Stock(Frame, frozen=True):
    """How many one-time KeyPackages of a suite a device has left at the relay."""

    suite: SuiteNumber
    left: int
    has_last_resort: bool


class LoggedIn(Frame, frozen=True, tag=105):
    """The session is ready. `stocks`: this device's KeyPackages, for each suite of the relay's."""

    rid: Rid
    account: Name
    display: Name
    device: Id
    is_admin: bool
    stocks: tuple[Stock, ...]
    now_ms: TimeMs
    muted_until_ms: int = 0  # 0: not muted; -1: for good


class AccountFound(Frame, frozen=True, tag=106):
    """The password is right and the device unknown: Enroll must follow.

    `nonce` of the hello stays the one to prove with.
    """

    rid: Rid
    account: Name
    display: Name
    root_certificate: Certificate
    sealed_root: SealedRoot


class Created(Frame, frozen=True, tag=107):
    """The conversation exists, founded by this device."""

    rid: Rid
    conversation: Id


class JoinInfoFound(Frame, frozen=True, tag=108):
    """What an external commit needs: it stands on `stands_on`; the log's end is `last_seq`."""

    rid: Rid
    conversation: Id
    group_info: GroupInfoBytes
    stands_on: Seq
    last_seq: Seq
    commit_seq: Seq  # the commit (0: the founding) that made this GroupInfo's epoch


class Found(Frame, frozen=True, tag=109):
    """The direct conversation of a pair, if there is one."""

    rid: Rid
    conversation: Id | None


class NodesFound(Frame, frozen=True, tag=110):
    """As many of the asked nodes as fit a frame; those unknown are left out."""

    rid: Rid
    nodes: tuple[Node, ...]


class Entry(Frame, frozen=True):
    """One row of a log: the MLSMessage as its sender (for a Remove: the relay) made it."""

    seq: Seq
    arrived_at_ms: TimeMs
    message: Message


class Fetched(Frame, frozen=True, tag=111):
    """Entries without gaps from the first that the relay still has after the asked cursor.

    `first_kept`: the oldest Seq that the relay still has (last_seq + 1 when none); entries below it
    are gone. `last_seq`: the log's end (for a removed device: its own removal's commit).
    """

    rid: Rid
    entries: tuple[Entry, ...]
    first_kept: Seq
    last_seq: Seq


class Head(Frame, frozen=True):
    """One conversation of an account.

    `is_member`: this device has a leaf (else it may join by itself, its account being a member).
    `readable_from`: first Seq that this device may fetch; `cursor`: what it has acknowledged.
    """

    conversation: Id
    kind: Kind
    name: str
    last_seq: Seq
    cursor: Seq
    is_member: bool
    account_is_member: bool
    closed: bool = False


class HeadList(Frame, frozen=True, tag=112):
    """One page of Heads; `more`: ask again after the last one.

    `history` is another one once the relay's database was restored from a backup: then what a
    device acknowledged after that backup was lost, and others may have taken its places.
    """

    rid: Rid
    heads: tuple[Head, ...]
    inbox_seq: Seq
    more: bool
    history: Id = bytes(ID_BYTES)


class InboxEntry(Frame, frozen=True):
    """A Welcome (MLSMessage) and the commit that brought it."""

    seq: Seq
    conversation: Id
    commit_seq: Seq
    welcome: Message


class InboxFound(Frame, frozen=True, tag=113):
    """Welcomes in order."""

    rid: Rid
    entries: tuple[InboxEntry, ...]
    last_seq: Seq


class Claimed(Frame, frozen=True, tag=114):
    """One KeyPackage a device; `root_certificate` is what the relay holds for the account.

    `unsuited`: devices that publish KeyPackages, but none of the suite asked for.
    """

    rid: Rid
    account: Name
    display: Name
    root_certificate: Certificate
    packages: tuple[tuple[Id, KeyPackageBytes], ...]
    unsuited: tuple[Id, ...] = ()


class AccountInfo(Frame, frozen=True, tag=115):
    """Who an account is, as the relay says: nothing to trust before its chain is checked."""

    rid: Rid
    account: Name
    display: Name
    root_certificate: Certificate
    online: bool
    banned: bool


class RoomInfo(Frame, frozen=True):
    """A room that can be joined."""

    name: str
    conversation: Id
    join: JoinRule
    members: int
    closed: bool = False


class RoomList(Frame, frozen=True, tag=116):
    """Rooms by name."""

    rid: Rid
    rooms: tuple[RoomInfo, ...]


class NameList(Frame, frozen=True, tag=117):
    """(account, display) pairs by account."""

    rid: Rid
    names: tuple[tuple[Name, Name], ...]


class DeviceInfo(Frame, frozen=True):
    """A device of one's own account."""

    device: Id
    added_at_ms: TimeMs
    seen_at_ms: TimeMs
    online: bool
    is_current: bool


class DeviceList(Frame, frozen=True, tag=118):
    """The account's devices, oldest first."""

    rid: Rid
    devices: tuple[DeviceInfo, ...]


class UserInfo(Frame, frozen=True):
    """An account as admins see it. Times: 0 never/not, -1 for good."""

    account: Name
    display: Name
    is_admin: bool
    online: bool
    created_at_ms: TimeMs
    banned_until_ms: int
    muted_until_ms: int
    reason: str = ""


class UserList(Frame, frozen=True, tag=119):
    """Accounts by name."""

    rid: Rid
    users: tuple[UserInfo, ...]


class AuditInfo(Frame, frozen=True):
    """One admin's act."""

    number: Seq
    at_ms: TimeMs
    by: str  # an account, or "operator" for the command line
    act: str
    name: str
    reason: str
    until_ms: int = 0


class AuditList(Frame, frozen=True, tag=120):
    """Acts, newest first."""

    rid: Rid
    acts: tuple[AuditInfo, ...]


class TallyFound(Frame, frozen=True, tag=121):
    """How a commit was judged."""

    rid: Rid
    accepted: int
    refused: int
    undone: bool


class ActDone(Frame, frozen=True, tag=122):
    """An admin's act is done; `was_online`: whether connections were ended."""

    rid: Rid
    account: Name
    display: Name
    was_online: bool


Reply: TypeAlias = (
    RelayHello
    | Ok
    | Failed
    | Conflict
    | Accepted
    | LoggedIn
    | AccountFound
    | Created
    | JoinInfoFound
    | Found
    | NodesFound
    | Fetched
    | HeadList
    | InboxFound
    | Claimed
    | AccountInfo
    | RoomList
    | NameList
    | DeviceList
    | UserList
    | AuditList
    | TallyFound
    | ActDone
)
