"""DHKEM over each group: published vectors, round trips, and what must be refused."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import PeerError, UsageError
from crypto.mls.kem_dh import (
    DHKEM_P256,
    DHKEM_P384,
    DHKEM_P521,
    DHKEM_X448,
    DHKEM_X25519,
    NistKem,
)

KEMS = {
    "P-256": DHKEM_P256,
    "P-384": DHKEM_P384,
    "P-521": DHKEM_P521,
    "X25519": DHKEM_X25519,
    "X448": DHKEM_X448,
}
# Nsecret, Nenc and Nsk of RFC 9180, section 7.1; a KEM output is a public key.
SIZES = {
    "P-256": (32, 65, 32),
    "P-384": (48, 97, 48),
    "P-521": (64, 133, 66),
    "X25519": (32, 32, 32),
    "X448": (64, 56, 56),
}
# ikmE, ikmR, enc and shared_secret of draft-ietf-hpke-pq-04, A.7 to A.10.
VECTORS = {
    "P-256": (
        "65c72db26bf7f1f50d18a1fda71905653b88d6f361e365b1c35fc2a7bdc40cc0",
        "c6eedf3e84fca93ef3434208f038538f182693825a803f8a3e5469890d893090",
        "04fd736e604d5c501b8348cb2e2a4468252ee669ad5d0889c4b9a63367c88f201a"
        "20938fbe98538be37bc44284185c6c8e8f579cc6a3bc3d3b397b6d083004c44f",
        "2c3139230d3c69f7f653149b4b036355920bcfd5805705a7640be64fd9b11ec9",
    ),
    "P-384": (
        "df490f3d80254f2485bc8abd4225c0834ab1982ce844a6b4"
        "a3390bbe9f348b0a82ca464297bfccfa8b2ceaac6b43e6bc",
        "1569d065e398456987a4a76e7117d97767cc8aecef8efeba"
        "a3ad5aee78d44f5fab347ee19307e6804ff32d8b15a3fbe1",
        "0427d6d80a6394078f3b8f8cb86b0c38e1996895672415b31"
        "3a8ebbfe9adff897d8eec659efe200b5608a43140059fdb3f"
        "6ab0179c5cd110adcf2e5caad5a027a7eb86b18d2ade59de"
        "94bab544f06222f49ab09d8d68debac3cb67ecce8bbcad9e",
        "8207f0a43f67bf912e327f0893e5a3b14314c38eaa860422"
        "9de4c033c6589e3bbe28b513aac127e85b4830c63daf572f",
    ),
    "X25519": (
        "6a83220f8a55194c8d8621531a1af58a3e67a9d4ad6ffaa1f04ca52f5af6dc1a",
        "97b023835635fbaeca0d748871b9a420865212e74fbef3d942c331e147149560",
        "2ab42ac5e099dacf517d69fcd7e6df0c5a6a9e79e765f5c0c33e1437f9638e0f",
        "fcce4708329c0abad769b20a916009149486bc62798ab52210820b3353d86182",
    ),
    "X448": (
        "d967d4102fabf6108bae6474d9ffb0f8fd63e87721fc0e67eebd79e4"
        "d6e3d28a8c179c6b2febcf9568595075df86a4ed736be8b5ff80da79",
        "4d93c28aef376727c67c68a1404b8399d046c612619d45468ed2ee12"
        "b35f5de1f1d2afe8684a38262ba1327490c7299ecfa151ac949266d9",
        "3e201b8e44d713687fa3f765ed454edb77bd1b28b5567e313a4eed99"
        "4ef47a01bb8bfee283ebaacb38c34af69b0643c9ffd225dd2ff6074c",
        "7835f33012c6964b7dbd420c296be335a4e2b854347495137fdc2466faea4694"
        "ebd09bcbdcdf5afa640591ab68a1901bf83beabeffd13845644022e6de31f672",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_vectors(name: str) -> None:
    kem: Any = KEMS[name]
    ephemeral, receiver, enc, secret = map(bytes.fromhex, VECTORS[name])
    private, public = kem.derive_key_pair(receiver)
    assert kem.decapsulate(private, enc) == secret
    # A NIST curve's ephemeral key is derived from what is drawn, the others' is what is drawn.
    drawn = ephemeral if isinstance(kem, NistKem) else kem.derive_key_pair(ephemeral)[0]
    assert kem.encapsulate(public, random=lambda size: drawn[:size]) == (secret, enc)


def test_the_key_pair_of_p521_of_rfc_9180() -> None:
    # Appendix A.6.1: the one curve whose private keys do not fill their bytes.
    private, public = DHKEM_P521.derive_key_pair(
        bytes.fromhex(
            "2ad954bbe39b7122529f7dde780bff626cd97f850d0784a432784e69d86eccaade"
            "43b6c10a8ffdb94bf943c6da479db137914ec835a7e715e36e45e29b587bab3bf1"
        )
    )
    assert private.hex() == (
        "01462680369ae375e4b3791070a7458ed527842f6a98a79ff5e0d4cbde83c27196"
        "a3916956655523a6a2556a7af62c5cadabe2ef9da3760bb21e005202f7b2462847"
    )
    assert DHKEM_P521.public_from_private(private) == public


@pytest.mark.parametrize("name", KEMS)
@given(material=st.binary(min_size=1, max_size=80), drawn=st.binary(min_size=66, max_size=66))
def test_the_secret_arrives(name: str, material: bytes, drawn: bytes) -> None:
    kem: Any = KEMS[name]
    private, public = kem.derive_key_pair(material)
    kem.check_public(public)
    secret, output = kem.encapsulate(public, random=lambda size: drawn[:size])
    assert kem.decapsulate(private, output) == secret
    assert (len(secret), len(output), len(private)) == SIZES[name]
    assert len(public) == len(output)
    assert (secret, output) == kem.encapsulate(public, random=lambda size: drawn[:size])


def refused(kem: Any, private: bytes, wrong: bytes) -> None:
    for refuse in (
        lambda: kem.check_public(wrong),
        lambda: kem.encapsulate(wrong, random=os.urandom),
        lambda: kem.decapsulate(private, wrong),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("name", KEMS)
def test_keys_of_other_sizes_are_refused(name: str) -> None:
    kem: Any = KEMS[name]
    private, public = kem.derive_key_pair(b"material")
    for wrong in (b"", public[:-1], public + b"\x00", public * 2):
        refused(kem, private, wrong)
    for wrong in (b"", private[:-1], private + b"\x00"):
        with pytest.raises(UsageError):
            kem.decapsulate(wrong, public)
