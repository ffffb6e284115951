"""Ed25519: the RFC's vector, and every key and signature that must not pass."""

import random

import pytest

from crypto import ed25519
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError, UsageError
from crypto.mls.suite import SUITE_1

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
    "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**255 - 19

_ORDER_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03"
_OTHER_ORDER_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc"
SMALL_ORDER = {
    "0": "00" * 32,
    "0, sign": "00" * 31 + "80",
    "1": "01" + "00" * 31,
    "1, sign": "01" + "00" * 30 + "80",
    "order 8": _ORDER_8 + "7a",
    "order 8, sign": _ORDER_8 + "fa",
    "other order 8": _OTHER_ORDER_8 + "05",
    "other order 8, sign": _OTHER_ORDER_8 + "85",
    "p - 1": "ec" + "ff" * 30 + "7f",
    "p - 1, sign": "ec" + "ff" * 31,
    "p": "ed" + "ff" * 30 + "7f",
    "p, sign": "ed" + "ff" * 31,
    "p + 1": "ee" + "ff" * 30 + "7f",
    "p + 1, sign": "ee" + "ff" * 31,
}


def test_the_vector_of_rfc_8032() -> None:
    key = SigningKey.from_seed(SEED)
    assert (key.public, key.sign(b""), key.seed) == (PUBLIC, SIGNATURE, SEED)
    ed25519.verify(PUBLIC, b"", SIGNATURE)


@pytest.mark.parametrize("encoding", SMALL_ORDER.values(), ids=SMALL_ORDER)
def test_a31_small_order_keys_are_refused(encoding: str) -> None:
    key = bytes.fromhex(encoding)
    for refuse in (
        lambda: ed25519.load_public(key),
        lambda: ed25519.verify(key, b"message", SIGNATURE),
        lambda: SUITE_1.check_signature_key(key),
        lambda: SUITE_1.verify_with_label(key, "label", b"content", SIGNATURE),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


def test_a31_a_signature_made_without_a_secret_is_refused() -> None:
    # With the neutral element as the key, R = sB and any s satisfy the equation for any message.
    one = SigningKey.from_seed(SEED)
    forged = one.public + one.sign(b"")[32:]
    with pytest.raises(PeerError) as caught:
        ed25519.verify(bytes.fromhex(SMALL_ORDER["1"]), b"any message", forged)
    assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("y", [*range(P, 2**255)])
def test_a31_non_canonical_keys_are_refused(y: int) -> None:
    for sign in (0, 1 << 255):
        with pytest.raises(PeerError) as caught:
            ed25519.load_public((y | sign).to_bytes(32, "little"))
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        ed25519.load_public(bytes([7]) * size)
    assert caught.value.code == "bad_public_key"
    with pytest.raises(UsageError):
        SigningKey.from_seed(bytes(size))


def test_a33_a_second_form_of_a_signature_is_refused() -> None:
    r, s = SIGNATURE[:32], int.from_bytes(SIGNATURE[32:], "little")
    forms = [r + (s + ORDER).to_bytes(32, "little"), SIGNATURE + b"\x00", SIGNATURE[:-1], b""]
    forms.append(r[:31] + bytes((r[31] ^ 0x80,)) + SIGNATURE[32:])
    for form in forms:
        with pytest.raises(PeerError) as caught:
            ed25519.verify(PUBLIC, b"", form)
        assert caught.value.code == "bad_signature"


def test_a33_r_in_a_second_encoding_is_refused() -> None:
    for y in range(P, 2**255):
        with pytest.raises(PeerError) as caught:
            ed25519.verify(PUBLIC, b"", y.to_bytes(32, "little") + SIGNATURE[32:])
        assert caught.value.code == "bad_signature"


def test_another_message_is_refused() -> None:
    with pytest.raises(PeerError) as caught:
        ed25519.verify(PUBLIC, b"x", SIGNATURE)
    assert caught.value.code == "bad_signature"


def test_a_key_comes_from_the_randomness_given_and_hides() -> None:
    key = SigningKey.generate(random.Random(1).randbytes)
    assert key.seed == random.Random(1).randbytes(32)
    assert key.seed.hex() not in repr(key)
    assert SigningKey.generate().public != SigningKey.generate().public
