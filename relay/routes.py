"""Which operation answers which request: its thread, what it costs, what else limits it.

Never decides who may: an operation does, with the rows before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import Connection as Database

from relay import (
    admin,
    append,
    conversations,
    directory,
    history,
    keypackages,
    leaving,
    logins,
    verdicts,
)
from relay.context import Context, Who
from relay.gate import Gate
from relay.outcome import Outcome
from wire import requests
from wire.errors import Code, WireError
from wire.limits import MAX_MESSAGE_BYTES
from wire.names import canonical_name

Operation = Callable[[Database, Context, Who, Any], Outcome]
Limit = Callable[[Gate, Who, Any, float], None]
_PUBLIC_MESSAGE: Final = b"\0\1\0\1"  # an MLSMessage's version and wire format: from outside


class Thread(Enum):
    """Where an operation runs."""

    WRITER = auto()
    READER = auto()


@dataclass(frozen=True, slots=True)
class Route:
    """How a request is served. `cost`: in requests of the connection's bucket."""

    operation: Operation
    thread: Thread
    cost: float = 1.0
    gate: Limit | None = None


def _append(gate: Gate, who: Who, request: requests.Append, now_s: float) -> None:
    parts = request.commit
    if parts is None:
        check_message(request)
    else:
        is_external = request.message.startswith(_PUBLIC_MESSAGE)
        gate.commit(who, request.conversation, now_s, is_external=is_external)
        size = len(request.message) + len(parts.group_info) + len(parts.welcome or b"")
        gate.commit_bytes(who, size + sum(map(len, parts.nodes)), now_s)


def check_message(request: requests.Append) -> None:
    """Refuse, before the writer reads it for nothing, what is no message: WireError."""
    if request.message.startswith(_PUBLIC_MESSAGE):
        raise WireError(Code.BAD_REQUEST, "A commit brings a GroupInfo and the tree's new nodes.")
    if len(request.message) > MAX_MESSAGE_BYTES:
        raise WireError(Code.TOO_LARGE, "The message is too large. Nothing was sent: shorten it.")


def _create(gate: Gate, who: Who, request: requests.Create, now_s: float) -> None:
    gate.creation(who, now_s)
    gate.commit_bytes(who, len(request.group_info) + sum(map(len, request.nodes)), now_s)


def _ack(gate: Gate, who: Who, request: requests.Ack, now_s: float) -> None:
    if request.verdicts:
        gate.verdicts(who, len(request.verdicts), now_s)


def _publish(gate: Gate, who: Who, request: requests.Publish, now_s: float) -> None:
    gate.packages(who, len(request.packages) + 1, now_s)


def _lookup(gate: Gate, who: Who, _request: object, now_s: float) -> None:
    gate.lookup(who, now_s)


def _claim(gate: Gate, who: Who, request: requests.Claim, now_s: float) -> None:
    gate.lookup(who, now_s)
    # As it is stored: else every way to type a name has claims of its own.
    gate.claim(who, canonical_name(request.account), now_s)


_WRITER, _READER = Thread.WRITER, Thread.READER

ROUTES: Final[dict[type, Route]] = {
    requests.Append: Route(append.append, _WRITER, gate=_append),
    requests.Create: Route(conversations.create, _WRITER, 20.0, _create),
    requests.JoinInfo: Route(conversations.join_info, _READER, 5.0),
    requests.Direct: Route(conversations.direct, _READER, 2.0),
    requests.GetNodes: Route(conversations.get_nodes, _READER, 5.0),
    requests.Fetch: Route(history.fetch, _READER, 5.0),
    requests.Ack: Route(verdicts.ack, _WRITER, gate=_ack),
    requests.Heads: Route(history.heads, _READER, 5.0),
    requests.GetInbox: Route(history.get_inbox, _READER, 2.0),
    requests.AckInbox: Route(history.ack_inbox, _WRITER, 2.0),
    requests.Publish: Route(keypackages.publish, _WRITER, 20.0, _publish),
    requests.Claim: Route(keypackages.claim, _WRITER, 5.0, _claim),
    requests.Lookup: Route(directory.lookup, _READER, 2.0, _lookup),
    requests.ListRooms: Route(directory.list_rooms, _READER, 5.0, _lookup),
    requests.Who: Route(directory.who_is_in, _READER, 5.0, _lookup),
    requests.Leave: Route(leaving.leave, _WRITER, 20.0),
    requests.RevokeDevice: Route(leaving.revoke_device, _WRITER, 20.0),
    requests.ListDevices: Route(logins.list_devices, _READER, 2.0),
    requests.AdminAct: Route(admin.act, _WRITER, 5.0),
    requests.Announce: Route(admin.announce, _WRITER, 5.0),
    requests.ListUsers: Route(admin.list_users, _READER, 5.0),
    requests.ListAudit: Route(admin.list_audit, _READER, 5.0),
    requests.GetTally: Route(verdicts.get_tally, _READER, 2.0),
}
