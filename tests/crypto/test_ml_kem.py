"""ML-KEM-768: what a key and a ciphertext from outside must look like."""

import pytest

from crypto import ml_kem
from crypto.errors import PeerError, UsageError

PRIVATE = ml_kem.load_private(bytes(range(64)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
MODULUS = 3329


def with_coefficient(number: int, place: int) -> bytes:
    """PUBLIC with another even coefficient: the first 12 bits of three bytes."""
    low, high = number & 0xFF, number >> 8 | PUBLIC[place + 1] & 0xF0
    return PUBLIC[:place] + bytes((low, high)) + PUBLIC[place + 2 :]


def test_the_secret_arrives() -> None:
    secret, ciphertext = ml_kem.encapsulate(PUBLIC)
    assert (len(secret), len(ciphertext)) == (32, ml_kem.CIPHERTEXT_LENGTH)
    assert ml_kem.decapsulate(PRIVATE, ciphertext) == secret


def test_a27_a_coefficient_not_below_the_modulus_is_refused() -> None:
    for place in (0, 3 * 17, 1152 - 3):
        ml_kem.load_public(with_coefficient(MODULUS - 1, place))
        for number in (MODULUS, MODULUS + 1, 4095):
            with pytest.raises(PeerError) as caught:
                ml_kem.load_public(with_coefficient(number, place))
            assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("size", [0, 1, 32, 1088, 1183, 1185, 1216, 1568])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        ml_kem.encapsulate(bytes(size))
    assert caught.value.code == "bad_public_key"
    with pytest.raises(UsageError):
        ml_kem.load_private(bytes(size))


@pytest.mark.parametrize("size", [0, 32, 1087, 1089, 1184])
def test_ciphertexts_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        ml_kem.decapsulate(PRIVATE, bytes(size))
    assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("place", [0, 500, 1087])
def test_a_changed_ciphertext_gives_another_secret(place: int) -> None:
    secret, ciphertext = ml_kem.encapsulate(PUBLIC)
    changed = bytearray(ciphertext)
    changed[place] ^= 1
    assert ml_kem.decapsulate(PRIVATE, bytes(changed)) != secret
