"""HKDF: the RFC's vector, and how much it gives."""

import hashlib

import pytest

from crypto.errors import UsageError
from crypto.mls import kdf


def test_the_kdf_vectors_of_rfc_5869() -> None:
    material, salt = b"\x0b" * 22, bytes(range(13))
    secret = kdf.extract("sha256", salt, material)
    assert secret.hex() == "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
    expanded = kdf.expand("sha256", secret, bytes(range(0xF0, 0xFA)), 42)
    assert expanded.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize("one", [kdf.HKDF_SHA256, kdf.HKDF_SHA384, kdf.HKDF_SHA512])
def test_a_kdf_goes_with_its_hash(one: kdf.Kdf) -> None:
    assert one.hash(b"data") == hashlib.new(one.hash_name, b"data").digest()
    assert len(one.hash(b"")) == len(kdf.extract(one.hash_name, b"", b"")) == one.length
    longest = 255 * one.length
    assert len(kdf.expand(one.hash_name, b"", b"", longest)) == longest
    with pytest.raises(UsageError):
        kdf.expand(one.hash_name, b"", b"", longest + 1)
