"""Which operation answers which request: its thread, what it costs, what else limits it.

Never decides who may: an operation does, with the rows before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from sqlalchemy import Connection as Database

from relay import append, conversations, logins
from relay.context import Context, Who
from relay.gate import Gate
from relay.outcome import Outcome
from wire import requests
from wire.limits import MAX_FETCH_ENTRIES

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
    if request.commit is not None:
        is_external = request.message.startswith(_PUBLIC_MESSAGE)
        gate.commit(who, request.conversation, now_s, is_external=is_external)


def _create(gate: Gate, who: Who, _request: object, now_s: float) -> None:
    gate.creation(who, now_s)


def _lookup(gate: Gate, who: Who, _request: object, now_s: float) -> None:
    gate.lookup(who, now_s)


def _claim(gate: Gate, who: Who, request: requests.Claim, now_s: float) -> None:
    gate.lookup(who, now_s)
    gate.claim(who, request.account, now_s)


ROUTES: Final[dict[type, Route]] = {
    requests.Append: Route(append.append, Thread.WRITER, gate=_append),
    requests.Create: Route(conversations.create, Thread.WRITER, 20.0, _create),
    requests.JoinInfo: Route(conversations.join_info, Thread.READER, 5.0),
    requests.Direct: Route(conversations.direct, Thread.READER, 2.0),
    requests.GetNodes: Route(conversations.get_nodes, Thread.READER, 5.0),
    requests.ListDevices: Route(logins.list_devices, Thread.READER, 2.0),
}
