"""The suite: the official vectors are in test_vectors; here, what must be refused."""

import pytest

from crypto.errors import PeerError
from crypto.mls.suite import SUITE_1, SUITE_5, SUITE_HYBRID, SUITES, Suite, suite_by_number

KEY = bytes(range(16))
NONCE = bytes(12)
ALL = pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)


@pytest.mark.parametrize("number", [0, 8, 0x0A0A, 0xFFFF])
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


@ALL
def test_a41_a_signature_counts_under_its_own_label_only(suite: Suite) -> None:
    signer = suite.generate_signer()
    suite.check_signature_key(signer.public)
    signature = suite.sign_with_label(signer, "one", b"content")
    suite.verify_with_label(signer.public, "one", b"content", signature)
    for label, content in (("two", b"content"), ("one", b"other"), ("", b"content")):
        with pytest.raises(PeerError) as caught:
            suite.verify_with_label(signer.public, label, content, signature)
        assert caught.value.code == "bad_signature"


@ALL
def test_fresh_keys_come_from_the_randomness_given(suite: Suite) -> None:
    private, public = suite.generate_key_pair(random=bytes)
    assert suite.encryption_key_of(private) == public
    suite.check_encryption_key(public)
    assert suite.generate_key_pair(random=bytes) == (private, public)
    assert suite.generate_key_pair() != suite.generate_key_pair()
    signer = suite.generate_signer(random=bytes)
    assert suite.generate_signer(random=bytes).public == signer.public
    assert suite.generate_signer().public != signer.public


def test_fresh_key_pairs_have_the_entropy_of_a_private_key() -> None:
    assert SUITE_1.generate_key_pair(random=bytes) == SUITE_1.derive_key_pair(bytes(32))
    assert SUITE_5.generate_key_pair(random=bytes) == SUITE_5.derive_key_pair(bytes(66))


def test_the_number_of_the_hybrid_suite_is_for_private_use_and_no_grease() -> None:
    # Sections 17.1 and 13.5: GREASE values have two equal bytes that end in A.
    number = SUITE_HYBRID.number
    assert 0xF000 <= number <= 0xFFFF
    assert number >> 8 != number & 0xFF
    assert suite_by_number(number) is SUITE_HYBRID


@ALL
def test_the_sizes_of_each_suite_follow_from_its_name(suite: Suite) -> None:
    hashes = {"SHA256": 32, "SHA384": 48, "SHA512": 64}
    keys = {"AES128GCM": 16, "AES256GCM": 32, "CHACHA20POLY1305": 32}
    _, _, _, cipher, hash_name, _ = suite.name.split("_")
    assert suite.hash_length == len(suite.hash(b"")) == len(suite.zero) == hashes[hash_name]
    assert (suite.key_length, suite.nonce_length) == (keys[cipher], 12)
    assert (
        len(suite.derive_secret(suite.zero, "label"))
        == len(suite.mac(b"", b""))
        == len(suite.extract(b"", b""))
    )
