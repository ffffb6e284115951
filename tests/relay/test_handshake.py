from typing import get_args

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.labels import Purpose, verify
from relay.handshake import NEXT, State, answer_hello, step
from wire import replies, requests
from wire.errors import WireError
from wire.limits import PROTOCOL_VERSION

KEY = SigningKey.from_seed(bytes(range(32)))
NONCE, HASH = b"r" * 32, b"h" * 32
HELLO = requests.Hello(PROTOCOL_VERSION, b"c" * 32)
REQUESTS = get_args(requests.Request)
BEFORE = {
    State.HELLO: {requests.Hello},
    State.LOGIN: {requests.Register, requests.Login, requests.Resume},
    State.ENROLL: {requests.Register, requests.Login, requests.Resume, requests.Enroll},
    State.CHECKING: set(),
    State.ENROLLING: set(),
    State.CLOSED: set(),
}


@pytest.mark.parametrize("state", list(BEFORE))
@pytest.mark.parametrize("kind", REQUESTS)
def test_a05_before_log_in_each_state_takes_its_own_frames_only(state: State, kind: type) -> None:
    assert ((state, kind) in NEXT) == (kind in BEFORE[state])


def test_when_ready_everything_but_the_handshake_is_taken() -> None:
    taken = {kind for (state, kind) in NEXT if state is State.READY}
    assert taken == set(REQUESTS) - BEFORE[State.ENROLL] - {requests.Hello}


def test_a_frame_out_of_place_is_refused() -> None:
    with pytest.raises(WireError) as refused:
        step(State.READY, HELLO)
    assert refused.value.code == "bad_request"
    with pytest.raises(WireError):
        step(State.CHECKING, requests.Heads(1))


@pytest.mark.parametrize(
    ("reply", "after"),
    [
        (replies.AccountFound(1, "a", "a", b"", b""), State.ENROLL),
        (replies.Failed(1, "x", "y"), State.LOGIN),
        (replies.LoggedIn(1, "a", "a", bytes(16), False, (), 0), State.READY),
    ],
)
def test_the_answer_to_a_log_in_decides_what_comes_next(reply: object, after: State) -> None:
    assert step(State.CHECKING, reply) is after


def test_a_failed_enrolment_may_be_tried_again() -> None:
    assert step(State.ENROLLING, replies.Failed(1, "x", "y")) is State.ENROLL


def test_a50_the_hello_signs_both_nonces_and_the_tls_key() -> None:
    reply, proof = answer_hello(HELLO, key=KEY, nonce=NONCE, tls_spki_hash=HASH, greeting="hi")
    assert (reply.relay_key, reply.nonce, reply.greeting) == (KEY.public, NONCE, "hi")
    parts = (HELLO.nonce, NONCE, HASH)
    verify(KEY.public, Purpose.RELAY_HELLO, reply.signature, *parts)
    for index in range(3):
        other = [*parts]
        other[index] = b"x" * 32
        with pytest.raises(PeerError):
            verify(KEY.public, Purpose.RELAY_HELLO, reply.signature, *other)
    assert (proof.client_nonce, proof.relay_nonce) == (HELLO.nonce, NONCE)
    assert (proof.relay_key, proof.tls_spki_hash) == (KEY.public, HASH)


@pytest.mark.parametrize("version", [0, PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1, 65535])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(WireError) as refused:
        answer_hello(requests.Hello(version, bytes(32)), key=KEY, nonce=NONCE, tls_spki_hash=HASH)
    assert refused.value.code == "bad_request"
