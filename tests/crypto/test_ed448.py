"""Ed448: the RFC's vector, and every key and signature that must not pass."""

import hashlib
import random

import pytest

from crypto import ed448
from crypto.ed448 import SigningKey
from crypto.errors import PeerError, UsageError
from crypto.mls.suite import SUITE_4

SEED = bytes.fromhex(
    "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3"
    "528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b"
)
PUBLIC = bytes.fromhex(
    "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778"
    "edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180"
)
SIGNATURE = bytes.fromhex(
    "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2"
    "fd7a22ddd47d7828c59bd0a21bfd3980ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b410485"
    "2db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600"
)
ORDER = 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885
P = 2**448 - 2**224 - 1


def encoded(y: int, sign: int = 0) -> bytes:
    return (y | sign << 455).to_bytes(57, "little")


# The points of order 1, 2 and 4, below p and above it.
SMALL_ORDER = [encoded(y, sign) for y in (0, 1, P - 1, P, P + 1) for sign in (0, 1)]


def secret_scalar(seed: bytes) -> int:
    """RFC 8032, section 5.2.5."""
    half = bytearray(hashlib.shake_256(seed).digest(114)[:57])
    half[0] &= 252
    half[55] |= 128
    half[56] = 0
    return int.from_bytes(half, "little")


def test_the_vector_of_rfc_8032() -> None:
    key = SigningKey.from_seed(SEED)
    assert (key.public, key.sign(b"")) == (PUBLIC, SIGNATURE)
    ed448.verify(PUBLIC, b"", SIGNATURE)


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_a31_small_order_keys_are_refused(key: bytes) -> None:
    for refuse in (
        lambda: ed448.load_public(key),
        lambda: ed448.verify(key, b"message", SIGNATURE),
        lambda: SUITE_4.check_signature_key(key),
        lambda: SUITE_4.verify_with_label(key, "label", b"content", SIGNATURE),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


def test_a31_a_signature_made_without_a_secret_is_refused() -> None:
    # With a key of order 4, R = sB and any s satisfy the equation (times the cofactor) for any
    # message.
    r = secret_scalar(SEED) % ORDER
    forged = PUBLIC + r.to_bytes(57, "little")
    with pytest.raises(PeerError) as caught:
        ed448.verify(encoded(0), b"any message", forged)
    assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("y", [P + 2, P + 2**224, 2**448 - 1, 2**448, 2**455 - 1])
def test_a31_non_canonical_keys_are_refused(y: int) -> None:
    for sign in (0, 1):
        with pytest.raises(PeerError) as caught:
            ed448.load_public(encoded(y, sign))
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("size", [0, 1, 32, 56, 58, 114])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        ed448.load_public(bytes([7]) * size)
    assert caught.value.code == "bad_public_key"
    with pytest.raises(UsageError):
        SigningKey.from_seed(bytes(size))


def test_a33_a_second_form_of_a_signature_is_refused() -> None:
    r, s = SIGNATURE[:57], int.from_bytes(SIGNATURE[57:], "little")
    forms = [r + (s + ORDER).to_bytes(57, "little"), SIGNATURE + b"\x00", SIGNATURE[:-1], b""]
    forms.append(SIGNATURE[:56] + bytes((SIGNATURE[56] ^ 0x80,)) + SIGNATURE[57:])
    forms.append(SIGNATURE[:-1] + b"\x80")
    for form in forms:
        with pytest.raises(PeerError) as caught:
            ed448.verify(PUBLIC, b"", form)
        assert caught.value.code == "bad_signature"


def test_a33_r_in_a_second_encoding_is_refused() -> None:
    # Whoever holds the secret may sign with an R of small order; its y is 0, or p above it.
    secret = secret_scalar(SEED)

    def signed(r: bytes) -> bytes:
        hashed = hashlib.shake_256(b"SigEd448\x00\x00" + r + PUBLIC + b"message").digest(114)
        s = int.from_bytes(hashed, "little") * secret % ORDER
        return r + s.to_bytes(57, "little")

    ed448.verify(PUBLIC, b"message", signed(encoded(0)))
    with pytest.raises(PeerError) as caught:
        ed448.verify(PUBLIC, b"message", signed(encoded(P)))
    assert caught.value.code == "bad_signature"


def test_another_message_is_refused() -> None:
    with pytest.raises(PeerError) as caught:
        ed448.verify(PUBLIC, b"x", SIGNATURE)
    assert caught.value.code == "bad_signature"


def test_a_key_comes_from_the_randomness_given_and_hides() -> None:
    key = SigningKey.generate(random.Random(1).randbytes)
    assert key.public == SigningKey.from_seed(random.Random(1).randbytes(57)).public
    assert repr(key) == "SigningKey(...)"
    assert SigningKey.generate().public != SigningKey.generate().public
