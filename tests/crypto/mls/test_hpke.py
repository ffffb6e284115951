"""HPKE against RFC 9180's own vector and against another implementation."""

import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from crypto.errors import PeerError, UsageError
from crypto.mls import hpke
from crypto.mls.hpke import X25519_SHA256_AES128GCM as HPKE

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


def test_another_implementation_opens_ours_and_we_open_its() -> None:
    other = library.Suite(library.KEM.X25519, library.KDF.HKDF_SHA256, library.AEAD.AES_128_GCM)
    theirs = other.encrypt(b"text", X25519PublicKey.from_public_bytes(PUBLIC), INFO)
    opened = HPKE.open(theirs[:32], PRIVATE, info=INFO, aad=b"", ciphertext=theirs[32:])
    assert opened == b"text"
    kem_output, ciphertext = HPKE.seal(PUBLIC, INFO, aad=b"", plaintext=b"text")
    private = X25519PrivateKey.from_private_bytes(PRIVATE)
    assert other.decrypt(kem_output + ciphertext, private, INFO) == b"text"


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


def test_the_kdf_vectors_of_rfc_5869() -> None:
    material, salt = b"\x0b" * 22, bytes(range(13))
    secret = hpke.extract("sha256", salt, material)
    assert secret.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    expanded = hpke.expand("sha256", secret, bytes(range(0xF0, 0xFA)), 42)
    assert expanded.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    with pytest.raises(UsageError):
        hpke.expand("sha256", secret, b"", 255 * 32 + 1)


def test_secrets_are_not_shown() -> None:
    _, context = HPKE.setup_sender(PUBLIC, INFO)
    assert repr(context.exporter_secret) not in repr(context)
    assert repr(context.key) not in repr(context)
