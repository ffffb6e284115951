"""The AEADs: another implementation's ciphertexts, and tags that are not whole."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from crypto.errors import PeerError
from crypto.mls.aead import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, Aead

NONCE = bytes(range(12))
CIPHERS = {
    AES_128_GCM: AESGCM(bytes(range(16))),
    AES_256_GCM: AESGCM(bytes(range(32))),
    CHACHA20_POLY1305: ChaCha20Poly1305(bytes(range(32))),
}
AEADS = pytest.mark.parametrize("aead", CIPHERS, ids=lambda aead: aead.aead_id.hex())


@AEADS
def test_each_is_the_cipher_that_its_row_says(aead: Aead) -> None:
    key = bytes(range(aead.key_length))
    sealed = aead.seal(key, NONCE, aad=b"aad", data=b"text")
    assert sealed == CIPHERS[aead].encrypt(NONCE, b"text", b"aad")
    assert len(NONCE) == aead.nonce_length
    assert aead.open(key, NONCE, aad=b"aad", data=sealed) == b"text"


@AEADS
def test_a30_a_cut_or_changed_ciphertext_is_refused(aead: Aead) -> None:
    key = bytes(range(aead.key_length))
    sealed = aead.seal(key, NONCE, aad=b"aad", data=b"text")
    wrong = [sealed[:size] for size in range(len(sealed))]
    wrong += [bytes(b ^ (i == j) for j, b in enumerate(sealed)) for i in range(len(sealed))]
    for data in wrong:
        with pytest.raises(PeerError) as caught:
            aead.open(key, NONCE, aad=b"aad", data=data)
        assert caught.value.code == "decryption_failed"
    for nonce, aad in ((bytes(12), b"aad"), (NONCE, b"")):
        with pytest.raises(PeerError) as caught:
            aead.open(key, nonce, aad=aad, data=sealed)
        assert caught.value.code == "decryption_failed"
