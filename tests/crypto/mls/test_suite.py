"""The suite: the official vectors are in test_vectors; here, what must be refused."""

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.mls.suite import SUITE_1, suite_by_number

KEY = bytes(range(16))
NONCE = bytes(12)


@pytest.mark.parametrize("number", [0, 2, 7, 0x0A0A, 0xFFFF])
def test_a20_a_suite_without_a_row_is_refused(number: int) -> None:
    assert suite_by_number(1) is SUITE_1
    with pytest.raises(PeerError) as caught:
        suite_by_number(number)
    assert caught.value.code == "unsupported_suite"


@pytest.mark.parametrize("size", [*range(32), 33, 64])
def test_a30_a_mac_of_another_length_is_refused(size: int) -> None:
    tag = SUITE_1.mac(b"key", b"data")
    SUITE_1.check_mac(b"key", b"data", tag=tag, code="bad_tag")
    with pytest.raises(PeerError) as caught:
        SUITE_1.check_mac(b"key", b"data", tag=(tag * 2)[:size], code="bad_tag")
    assert caught.value.code == "bad_tag"


@pytest.mark.parametrize("place", range(32))
def test_a_mac_with_one_wrong_byte_is_refused(place: int) -> None:
    tag = bytearray(SUITE_1.mac(b"key", b"data"))
    tag[place] ^= 1
    with pytest.raises(PeerError):
        SUITE_1.check_mac(b"key", b"data", tag=bytes(tag), code="bad_tag")


@pytest.mark.parametrize("size", range(20))
def test_a30_a_cut_aead_tag_is_refused(size: int) -> None:
    sealed = SUITE_1.seal(KEY, NONCE, aad=b"aad", data=b"text")
    assert SUITE_1.open(KEY, NONCE, aad=b"aad", data=sealed) == b"text"
    with pytest.raises(PeerError) as caught:
        SUITE_1.open(KEY, NONCE, aad=b"aad", data=sealed[:size])
    assert caught.value.code == "decryption_failed"


def test_a41_a_signature_counts_under_its_own_label_only() -> None:
    signer = SigningKey.generate()
    signature = SUITE_1.sign_with_label(signer, "one", b"content")
    SUITE_1.verify_with_label(signer.public, "one", b"content", signature)
    for label, content in (("two", b"content"), ("one", b"other"), ("", b"content")):
        with pytest.raises(PeerError) as caught:
            SUITE_1.verify_with_label(signer.public, label, content, signature)
        assert caught.value.code == "bad_signature"


def test_fresh_key_pairs_come_from_the_randomness_given() -> None:
    private, public = SUITE_1.generate_key_pair(random=bytes)
    assert (private, public) == SUITE_1.derive_key_pair(bytes(32))
    assert SUITE_1.encryption_key_of(private) == public
    assert SUITE_1.generate_key_pair() != SUITE_1.generate_key_pair()
