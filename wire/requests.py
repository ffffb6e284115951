"""What a client sends: each frame carries `rid`, chosen by the client, repeated in the answer.

Never any logic. docs/protocol.md tells the order of the frames before log-in.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Annotated, TypeAlias

from msgspec import Meta

from wire import limits
from wire.entry import Id, Key, Name, Order, Seq
from wire.fields import (
    Chain,
    Count,
    Frame,
    GroupInfoBytes,
    KeyPackageBytes,
    Message,
    Nodes,
    Nonce,
    Password,
    Reason,
    Rid,
    SealedRoot,
    Seconds,
    ShortText,
    Signature,
    SuiteNumber,
)


class Hello(Frame, frozen=True, tag=0):
    """The first frame of every connection."""

    version: Annotated[int, Meta(ge=0, lt=1 << 16)]
    nonce: Nonce


class Register(Frame, frozen=True, tag=1):
    """Make an account and its first device. `proof`: purpose DEVICE_PROOF, see docs/protocol.md."""

    rid: Rid
    name: ShortText  # as typed
    email: ShortText | None
    password: Password
    admin_code: ShortText | None
    chain: Chain
    sealed_root: SealedRoot
    proof: Signature

    def __repr__(self) -> str:
        return "Register(...)"


class Login(Frame, frozen=True, tag=2):
    """Log in with the password; a known device names itself and proves it.

    Without a device the answer is AccountFound, and Enroll follows.
    """

    rid: Rid
    name: ShortText  # user name or e-mail
    password: Password
    device: Id | None = None
    proof: Signature | None = None

    def __repr__(self) -> str:
        return "Login(...)"


class Enroll(Frame, frozen=True, tag=3):
    """Add this device to the account that Login found.

    `new_identity`: the chain stands under a root that replaces the account's (with `sealed_root`).
    """

    rid: Rid
    chain: Chain
    proof: Signature
    new_identity: bool = False
    sealed_root: SealedRoot | None = None


class Resume(Frame, frozen=True, tag=4):
    """Reconnect a known device by its signature alone."""

    rid: Rid
    account: Name
    device: Id
    proof: Signature


class CommitParts(Frame, frozen=True):
    """What a commit brings besides the entry itself, stored with it in one transaction.

    The Welcome (MLSMessage) goes to the devices that the entry's effects add. GroupInfo
    (MLSMessage) has no tree; `nodes` are the TreeHashInputs that the new tree has and the old one
    had not.
    """

    group_info: GroupInfoBytes
    nodes: Nodes
    welcome: Message | None = None


class Append(Frame, frozen=True, tag=10):
    """Append an entry. `message` is an MLSMessage whose authenticated_data is an EntryData."""

    rid: Rid
    conversation: Id
    message: Message
    commit: CommitParts | None = None


class Create(Frame, frozen=True, tag=11):
    """Found a conversation: epoch 0, its creator's leaf 0 alone. Policy stands in the GroupInfo.

    Repeating it with the same conversation id by the same device returns the first answer. If the
    name, the pair of roots or the lobby is taken: Failed room_exists, data {"conversation": hex}.
    """

    rid: Rid
    conversation: Id
    group_info: GroupInfoBytes
    nodes: Nodes


class JoinInfo(Frame, frozen=True, tag=12):
    """Ask for what an external commit needs, by id, or by kind and name (direct: see Direct)."""

    rid: Rid
    conversation: Id | None = None
    name: ShortText | None = None  # a room's, or the lobby's


class Direct(Frame, frozen=True, tag=13):
    """Ask for the id of the direct conversation between own root and `root`; Found answers."""

    rid: Rid
    root: Key


class GetNodes(Frame, frozen=True, tag=14):
    """Fetch tree nodes by hash, for a walk from the signed tree hash."""

    rid: Rid
    conversation: Id
    hashes: Annotated[tuple[Key, ...], Meta(max_length=limits.MAX_NODES_PER_FETCH)]


class Fetch(Frame, frozen=True, tag=15):
    """Fetch entries after `after`; as many as fit."""

    rid: Rid
    conversation: Id
    after: Seq
    limit: Annotated[int, Meta(ge=1, le=limits.MAX_FETCH_ENTRIES)] = limits.MAX_FETCH_ENTRIES


class Verdict(IntEnum):
    """What a device found a commit to be; see design: Accepted, refused, unusable."""

    ACCEPTED = 1
    REFUSED = 2
    UNUSABLE = 3


class Ack(Frame, frozen=True, tag=16):
    """Everything up to `seq` is stored safely; the commits among it were judged so."""

    rid: Rid
    conversation: Id
    seq: Seq
    verdicts: Annotated[tuple[tuple[Seq, Verdict], ...], Meta(max_length=1024)] = ()


class Heads(Frame, frozen=True, tag=17):
    """Ask for the account's conversations, in pages ordered by conversation id."""

    rid: Rid
    after: Id | None = None


class GetInbox(Frame, frozen=True, tag=18):
    """Fetch this device's Welcomes after `after`."""

    rid: Rid
    after: Seq


class AckInbox(Frame, frozen=True, tag=19):
    """The Welcomes up to `seq` are stored or given up."""

    rid: Rid
    seq: Seq


class Publish(Frame, frozen=True, tag=20):
    """Publish KeyPackages of one suite (not wrapped in MLSMessage).

    A new last-resort one replaces the old one of its suite.
    """

    rid: Rid
    suite: SuiteNumber
    packages: Annotated[tuple[KeyPackageBytes, ...], Meta(max_length=limits.KEY_PACKAGES_KEPT)] = ()
    last_resort: KeyPackageBytes | None = None


class Claim(Frame, frozen=True, tag=21):
    """Take one KeyPackage of a suite for each device of an account."""

    rid: Rid
    account: Name
    suite: SuiteNumber


class Lookup(Frame, frozen=True, tag=22):
    """Ask who an account is: name in any case, or e-mail never."""

    rid: Rid
    name: ShortText


class ListRooms(Frame, frozen=True, tag=23):
    """List rooms that can be joined: open and password ones, by name."""

    rid: Rid
    query: ShortText = ""
    after: ShortText = ""
    limit: Count = 50


class Who(Frame, frozen=True, tag=24):
    """List who is online: everybody, or in a conversation that the asker is in."""

    rid: Rid
    conversation: Id | None = None
    after: ShortText = ""
    limit: Count = 200


class Leave(Frame, frozen=True, tag=25):
    """Leave a conversation with all devices of the account, by signed order."""

    rid: Rid
    conversation: Id
    order: Order


class RevokeDevice(Frame, frozen=True, tag=26):
    """Log a device of one's own account out for good, by signed order."""

    rid: Rid
    device: Id
    order: Order


class ListDevices(Frame, frozen=True, tag=27):
    """List the devices of one's own account."""

    rid: Rid


class Act(StrEnum):
    """An admin's act upon an account."""

    KICK = "kick"
    BAN = "ban"
    UNBAN = "unban"
    MUTE = "mute"
    UNMUTE = "unmute"
    PROMOTE = "promote"
    DEMOTE = "demote"


class AdminAct(Frame, frozen=True, tag=28):
    """An admin acts; a ban carries his signed order. `for_s`: None is for good."""

    rid: Rid
    act: Act
    name: ShortText
    reason: Reason = ""
    for_s: Seconds | None = None
    order: Order | None = None


class Announce(Frame, frozen=True, tag=29):
    """An admin tells everybody online something; the relay sees it."""

    rid: Rid
    text: Annotated[str, Meta(max_length=limits.MAX_ANNOUNCEMENT_BYTES)]


class ListUsers(Frame, frozen=True, tag=30):
    """Admins only: accounts by name."""

    rid: Rid
    after: ShortText = ""
    limit: Count = 50


class ListAudit(Frame, frozen=True, tag=31):
    """Admins only: acts, newest first, before `before` (an entry's number)."""

    rid: Rid
    before: Seq | None = None
    limit: Count = 50


class GetTally(Frame, frozen=True, tag=32):
    """Ask how a commit was judged so far."""

    rid: Rid
    conversation: Id
    seq: Seq


class Logout(Frame, frozen=True, tag=33):
    """End the session; the device stays known."""

    rid: Rid


Request: TypeAlias = (
    Hello
    | Register
    | Login
    | Enroll
    | Resume
    | Append
    | Create
    | JoinInfo
    | Direct
    | GetNodes
    | Fetch
    | Ack
    | Heads
    | GetInbox
    | AckInbox
    | Publish
    | Claim
    | Lookup
    | ListRooms
    | Who
    | Leave
    | RevokeDevice
    | ListDevices
    | AdminAct
    | Announce
    | ListUsers
    | ListAudit
    | GetTally
    | Logout
)
