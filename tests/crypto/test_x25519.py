"""X25519: the RFC's vector, and every point that contributes nothing."""

import random

import pytest

from crypto import x25519
from crypto.errors import PeerError, UsageError
from crypto.mls import key_schedule
from crypto.mls.suite import SUITE_1

P = 2**255 - 19
_ORDER_8 = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
_CANONICAL = [0, 1, P - 1, *(int.from_bytes(bytes.fromhex(u), "little") for u in _ORDER_8)]
# The same points above p, and all of them with the bit that X25519 ignores.
_ALL = [*_CANONICAL, P, P + 1, *(u | 1 << 255 for u in (*_CANONICAL, P, P + 1))]
LOW_ORDER = [u.to_bytes(32, "little") for u in _ALL]


def test_the_vectors_of_rfc_7748() -> None:
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    u = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    product = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert x25519.exchange(scalar, u).hex() == product
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert x25519.exchange(bob, alice).hex() == shared


@pytest.mark.parametrize("point", LOW_ORDER, ids=bytes.hex)
def test_a32_low_order_points_are_refused(point: bytes) -> None:
    private, _ = x25519.generate(random.Random(1).randbytes)
    for refuse in (
        lambda: x25519.check_public(point),
        lambda: x25519.exchange(private, point),
        lambda: SUITE_1.check_encryption_key(point),
        lambda: SUITE_1.encrypt_with_label(point, "label", context=b"", plaintext=b"text"),
        lambda: SUITE_1.decrypt_with_label(
            private, "label", context=b"", kem_output=point, ciphertext=bytes(32)
        ),
        lambda: key_schedule.send_external_init(SUITE_1, point),
        lambda: key_schedule.receive_external_init(SUITE_1, point, external=bytes(32)),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("u", [9 | 1 << 255, P + 9, P + 2 | 1 << 255, (1 << 256) - 1])
def test_a27_a_second_encoding_of_a_key_is_refused(u: int) -> None:
    with pytest.raises(PeerError) as caught:
        x25519.check_public(u.to_bytes(32, "little"))
    assert caught.value.code == "bad_public_key"
    x25519.check_public((9).to_bytes(32, "little"))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    private, public = x25519.generate()
    with pytest.raises(PeerError) as caught:
        x25519.exchange(private, bytes([9]) * size)
    assert caught.value.code == "bad_public_key"
    with pytest.raises(UsageError):
        x25519.exchange(bytes(size), public)


def test_a_key_comes_from_the_randomness_given() -> None:
    private, public = x25519.generate(random.Random(1).randbytes)
    assert private == random.Random(1).randbytes(32)
    assert public == x25519.public_from_private(private)
