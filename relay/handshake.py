"""The order of frames on one connection, as a table; and the relay's signed hello.

Never reads a frame's content, and never awaits: `step` is a pure function of state and type.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, get_args

from crypto.ed25519 import SigningKey
from crypto.labels import Purpose, sign
from relay.context import Proof
from wire import replies, requests
from wire.errors import Code, WireError
from wire.limits import PROTOCOL_VERSION


class State(Enum):
    """Where a connection stands."""

    HELLO = auto()  # nothing was said
    LOGIN = auto()  # the relay proved itself; the client has to
    CHECKING = auto()  # a log-in is being checked
    ENROLL = auto()  # the password was right, the device unknown
    ENROLLING = auto()  # its chain is being checked
    READY = auto()
    CLOSED = auto()


_LOGINS: Final = (requests.Register, requests.Login, requests.Resume)
_BEFORE_LOGIN: Final = (requests.Hello, *_LOGINS, requests.Enroll)

NEXT: Final[dict[tuple[State, type], State]] = {
    (State.HELLO, requests.Hello): State.LOGIN,
    **{(State.LOGIN, login): State.CHECKING for login in _LOGINS},
    **{(State.ENROLL, login): State.CHECKING for login in _LOGINS},
    (State.ENROLL, requests.Enroll): State.ENROLLING,
    (State.CHECKING, replies.LoggedIn): State.READY,
    (State.CHECKING, replies.AccountFound): State.ENROLL,
    (State.CHECKING, replies.Failed): State.LOGIN,
    (State.ENROLLING, replies.LoggedIn): State.READY,
    (State.ENROLLING, replies.Failed): State.ENROLL,
    **{
        (State.READY, request): State.READY
        for request in get_args(requests.Request)
        if request not in _BEFORE_LOGIN
    },
    (State.READY, requests.Logout): State.CLOSED,
}

_STAYS: Final = frozenset(
    frame for (state, frame), after in NEXT.items() if state is after is State.READY
)


def step(state: State, frame: object) -> State:
    """Return the state after `frame` (a request, or a log-in's answer).

    Raises WireError(bad_request) for a frame that has no place there.
    """
    if state is State.READY and type(frame) in _STAYS:  # nearly every frame there is
        return state
    try:
        return NEXT[state, type(frame)]
    except KeyError:
        raise WireError(
            Code.BAD_REQUEST, f"{type(frame).__name__} has no place here ({state.name})."
        ) from None


def answer_hello(
    hello: requests.Hello,
    *,
    key: SigningKey,
    nonce: bytes,
    tls_spki_hash: bytes,
    greeting: str = "",
) -> tuple[replies.RelayHello, Proof]:
    """Return the relay's hello, and what a device must sign on this connection.

    `nonce` is the relay's own, fresh, 32 bytes. Raises WireError(bad_request) for another version.
    """
    if hello.version != PROTOCOL_VERSION:
        raise WireError(
            Code.BAD_REQUEST,
            f"This relay speaks version {PROTOCOL_VERSION}: update the older of the two.",
        )
    signature = sign(key, Purpose.RELAY_HELLO, hello.nonce, nonce, tls_spki_hash)
    reply = replies.RelayHello(PROTOCOL_VERSION, key.public, nonce, signature, greeting)
    return reply, Proof(hello.nonce, nonce, key.public, tls_spki_hash)
