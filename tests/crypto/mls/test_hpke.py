"""HPKE against RFC 9180's own vectors and against another implementation."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from crypto import nist_curve
from crypto.errors import PeerError
from crypto.mls.suite import SUITE_1, SUITE_2, SUITE_3, SUITE_5, SUITE_7, SUITES, Suite

HPKE = SUITE_1.hpke
# RFC 9180, appendix A.1.1
INFO = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
EPHEMERAL = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
KEM_OUTPUT = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
RECEIVER_MATERIAL = bytes.fromhex(
    "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037"
)
PRIVATE = bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
PUBLIC = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
PLAINTEXT = b"Beauty is truth, truth beauty"
CIPHERTEXT = bytes.fromhex(
    "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"
)
P256_EPHEMERAL_MATERIAL = "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e"
P256_KEM_OUTPUT = (
    "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac9"
    "8536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4"
)
P256_RECEIVER_MATERIAL = "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550"
P256_PRIVATE = "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2"
P256_CIPHERTEXT = (
    "5ad590bb8baa577f8619db35a36311226a896e7342a6d836d8b7bcd2f20b6c7f9076ac232e3ab2523f39513434"
)
EXPORTED = {
    b"": "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee",
    b"\x00": "2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5",
    b"TestContext": "e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af54931",
}


def test_the_key_pair_of_rfc_9180() -> None:
    assert HPKE.kem.derive_key_pair(RECEIVER_MATERIAL) == (PRIVATE, PUBLIC)
    assert HPKE.kem.public_from_private(PRIVATE) == PUBLIC


def test_the_sealed_message_of_rfc_9180() -> None:
    sealed = HPKE.seal(
        PUBLIC, INFO, aad=b"Count-0", plaintext=PLAINTEXT, random=lambda size: EPHEMERAL[:size]
    )
    assert sealed == (KEM_OUTPUT, CIPHERTEXT)
    opened = HPKE.open(KEM_OUTPUT, PRIVATE, info=INFO, aad=b"Count-0", ciphertext=CIPHERTEXT)
    assert opened == PLAINTEXT


def test_the_exported_secrets_of_rfc_9180() -> None:
    kem_output, sender = HPKE.setup_sender(PUBLIC, INFO, random=lambda size: EPHEMERAL[:size])
    receiver = HPKE.setup_receiver(kem_output, PRIVATE, INFO)
    for context, secret in EXPORTED.items():
        assert sender.export(context, 32).hex() == receiver.export(context, 32).hex() == secret


def test_the_sealed_message_of_rfc_9180_under_p256() -> None:
    # Appendix A.3.1.
    hpke, drawn = SUITE_2.hpke, bytes.fromhex(P256_EPHEMERAL_MATERIAL)
    private, public = hpke.kem.derive_key_pair(bytes.fromhex(P256_RECEIVER_MATERIAL))
    assert private.hex() == P256_PRIVATE
    kem_output, ciphertext = hpke.seal(
        public, INFO, aad=b"Count-0", plaintext=PLAINTEXT, random=lambda size: drawn[:size]
    )
    assert kem_output.hex() == P256_KEM_OUTPUT
    assert ciphertext.hex() == P256_CIPHERTEXT


def _point(curve: nist_curve.NistCurve) -> Any:
    return lambda key: ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, key)


AEADS, KDFS, KEMS = library.AEAD, library.KDF, library.KEM
_x25519 = (X25519PublicKey.from_public_bytes, X25519PrivateKey.from_private_bytes)
OTHERS: dict[Suite, tuple[Any, Any, Any]] = {
    SUITE_1: (library.Suite(KEMS.X25519, KDFS.HKDF_SHA256, AEADS.AES_128_GCM), *_x25519),
    SUITE_2: (
        library.Suite(KEMS.P256, KDFS.HKDF_SHA256, AEADS.AES_128_GCM),
        _point(nist_curve.P256),
        nist_curve.P256.load_private,
    ),
    SUITE_3: (library.Suite(KEMS.X25519, KDFS.HKDF_SHA256, AEADS.CHACHA20_POLY1305), *_x25519),
    SUITE_5: (
        library.Suite(KEMS.P521, KDFS.HKDF_SHA512, AEADS.AES_256_GCM),
        _point(nist_curve.P521),
        nist_curve.P521.load_private,
    ),
    SUITE_7: (
        library.Suite(KEMS.P384, KDFS.HKDF_SHA384, AEADS.AES_256_GCM),
        _point(nist_curve.P384),
        nist_curve.P384.load_private,
    ),
}


@pytest.mark.parametrize("suite", OTHERS, ids=lambda suite: suite.name)
def test_another_implementation_opens_ours_and_we_open_its(suite: Suite) -> None:
    other, load_public, load_private = OTHERS[suite]
    private, public = suite.generate_key_pair()
    kem_output, ciphertext = suite.hpke.seal(public, INFO, aad=b"", plaintext=b"text")
    assert other.decrypt(kem_output + ciphertext, load_private(private), INFO) == b"text"
    sealed, size = other.encrypt(b"text", load_public(public), INFO), len(kem_output)
    opened = suite.hpke.open(sealed[:size], private, info=INFO, aad=b"", ciphertext=sealed[size:])
    assert opened == b"text"


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
@given(info=st.binary(), aad=st.binary(), plaintext=st.binary())
def test_both_ends_agree_in_every_suite(
    suite: Suite, info: bytes, aad: bytes, plaintext: bytes
) -> None:
    private, public = suite.generate_key_pair()
    kem_output, ciphertext = suite.hpke.seal(public, info, aad=aad, plaintext=plaintext)
    opened = suite.hpke.open(kem_output, private, info=info, aad=aad, ciphertext=ciphertext)
    assert opened == plaintext
    kem_output, sender = suite.hpke.setup_sender(public, info)
    receiver = suite.hpke.setup_receiver(kem_output, private, info)
    assert sender.export(aad, 100) == receiver.export(aad, 100)
    assert sender.export(aad, 100) != sender.export(aad + b"x", 100)


@pytest.mark.parametrize("size", range(len(CIPHERTEXT)))
def test_a30_a_cut_ciphertext_is_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        HPKE.open(KEM_OUTPUT, PRIVATE, info=INFO, aad=b"Count-0", ciphertext=CIPHERTEXT[:size])
    assert caught.value.code == "decryption_failed"


@pytest.mark.parametrize(("info", "aad"), [(b"other", b"Count-0"), (INFO, b"Count-1"), (INFO, b"")])
def test_a_sealed_message_opens_in_its_own_context_only(info: bytes, aad: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        HPKE.open(KEM_OUTPUT, PRIVATE, info=info, aad=aad, ciphertext=CIPHERTEXT)
    assert caught.value.code == "decryption_failed"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_kem_output_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        HPKE.open(bytes(size), PRIVATE, info=INFO, aad=b"", ciphertext=CIPHERTEXT)
    assert caught.value.code == "bad_public_key"


def test_secrets_are_not_shown() -> None:
    _, exporter = HPKE.setup_sender(PUBLIC, INFO)
    assert repr(exporter.secret) not in repr(exporter)
