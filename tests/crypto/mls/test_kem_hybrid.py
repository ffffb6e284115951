"""X-Wing: the draft's vector, another implementation, and what must be refused."""

import hashlib
import os
import random

import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto import ml_kem
from crypto.errors import PeerError, UsageError
from crypto.mls import key_schedule
from crypto.mls.aead import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, Aead
from crypto.mls.hpke import Hpke
from crypto.mls.kdf import HKDF_SHA256
from crypto.mls.kem_hybrid import X_WING
from crypto.mls.suite import SUITE_HYBRID
from tests.crypto.test_ml_kem import with_coefficient
from tests.crypto.test_x25519 import LOW_ORDER

# draft-ietf-hpke-pq-04, appendix A.5.
MATERIAL = bytes.fromhex("b86e76a59fabfc87b30cd7b1f7aaa28a834eb64e7a261c197b9a842893fbce56")
PRIVATE = bytes.fromhex("3ec47fa82dd5689d27c6190e724c74ec8f608df3331ce331929e37b829676630")
PUBLIC_HASH = "ad8aaf3f00d8a39bfeec2947a7d5dde68be08bba19bd301a348a45dc5fcc8341"
SECRET = bytes.fromhex("58200ed1f137bd95a921bb47f6aaecf2395b26f7fd24efd3a5ffae4849e8dea3")
INFO = b"4f6465206f6e2061204772656369616e2055726e"
PLAINTEXT = b"4265617574792069732074727574682c20747275746820626561757479"
CIPHERTEXT = bytes.fromhex(
    "c5c591f99092d5e38df0a52699af249c66f8275a863423c076de8147a53e65cc584041c9"
    "63b77a7e59ea93841b1339b5efda8909b71f74bb0073ad62e899de310c1566dea2fd29eba377"
)
EXPORTED = bytes.fromhex("5a78d37f40e078c17ef43fa40963f1ff7dcdee56e366da9099dc181c3eccaee5")
KEM_OUTPUT = bytes.fromhex(
    "26759c7b22923ea5cc9c78e3e14c8fc62dcb0a66ce44460966978a7fe9685e0c6d22999d99a3f112c307a6d5b2e6"
    "3591f41e8a3516ba62908376d664557206e696ae870305ff6ba08125266bc0765672beca90fd5c6dae0d3ddad150"
    "6065a9d4f297e0c3e70bb441961df26d7a19d79d1ef7e2ac5e53b32a3c7b4e07f2af2ae65830a3e8d1cb2ac1932f"
    "c19ec5434303b62c9d010645cf95a475913da5d77a282b88402e4a77ab17b09559dce8a96c67a27bea8f653ceaca"
    "3d278b6ed150fe936dda28b1726665c946cab30363ef89eb878ffcc74caa277a5dab1994193a67967125ebd50986"
    "dc16997b8f7484d7d0e27c79ff4b68201c1b4102f5a73322fd3da96bf655d90c9b1e6305e01ab1b3449ea3f458b0"
    "e98e1f2d1632825c3b30018bb5eefbcc80f767d0b9e7f9f731e1958083879ebcc1b5bb061e89302c444a85eeed16"
    "9b10d2520fd47b6a111914f3bda2f31d04f250522ba951012a629fa2cd2192583cc9abd75d02b7a11fd18056c414"
    "b8f0e0936535bf9b637c7e614a1ae9b9e907fe9d14243f13625ec92a97599eaa491b9da918b586e27d34c7279205"
    "dd76cf0ecdbf60b5aea4cfb9dca41069f3e2fc8f371a7cf3b089ea469d8417bda3149159992399ccd5baf776a0f8"
    "966d4742cbedaeac131dde853cb1fbb7b869a4c01cea8a487a2e52e757bf4dfcec23995e5f088804d2cf99c82f08"
    "7454144cc586845d7cf81249e7ad919ea1b06001ad13501da118ee19859595015b4b1872912dd2d4f5dd854f144a"
    "e07038bd8bb2b498f8edcb1c70c2102af768d508a1b4237238c0c6e34a9c819b0ebf28f49505d374095b2b58c7a8"
    "10cf1e806cb3c79af3bc84c8b657787804e374df2b49be6ac510d43024e65fd031540a7cd45c9348ad9f5511b969"
    "be6f9c4d849c1428f611225b0d9a3ae341669ba645baa877cdc34c39f5975f4991a77f86eca2c25ebee63a06928c"
    "1bbc9513f35547645e835544c1e4a8f33d7f29c1cfbde6425fa05aeff69f373aa8a281c92817cbe5be9305795354"
    "efc71a89462e87ce83919d679dcbfded88f7fff9177f4b49e8a959d9aa78b63feb99fa56735df0f4fc253653a917"
    "7f767b307bb2a9e7e4d9042f22cc6c4f177db80efaebfef8a3baa6f1423335c830308c2496118263f0bd361d93f8"
    "b4e75a7cba94c2af72dd13ee8926524cfe9df14f79165a3498b9fd631cbb874d25b11315f9acb442512561cf7dc6"
    "098a08874fcc704cdd5e84e57811a49e78fbd56e5a8e767617321c295095595ea2b0f4aaca30dd38749ab83532be"
    "1bdcf4c32a119e035558bb427dbdb806b4e15cea8df3c098728c2b5e40209c5138531db1b660777544e6a014477a"
    "7d1b93eb0f245fe9e7053997c10504ef692f21639c86d8926ddce6886d0c39eb7c59357ee54f81871019593713f4"
    "a6df37bf7003358694cff59af9872ca02bf762e20499227dba2f552203459dcc69780ef08d9bab4140d96e1c478f"
    "06b63b60c9bfb10d90e31d47570ea949ab8e9b99db6ec2f8a2a77dcb25cc36b733dfc09b8299a9d7b19e68c09ad8"
    "2703f9b47d34d1a3cbafe42c73f57d0e"
)
PUBLIC = X_WING.public_from_private(PRIVATE)
LATTICE = ml_kem.PUBLIC_KEY_LENGTH


def test_the_key_pair_of_the_draft() -> None:
    private, public = X_WING.derive_key_pair(MATERIAL)
    assert private == PRIVATE
    assert hashlib.sha256(public).hexdigest() == PUBLIC_HASH
    assert X_WING.public_from_private(private) == public


def test_the_sealed_message_of_the_draft() -> None:
    hpke = Hpke(X_WING, HKDF_SHA256, CHACHA20_POLY1305)
    assert X_WING.decapsulate(PRIVATE, KEM_OUTPUT) == SECRET
    opened = hpke.open(KEM_OUTPUT, PRIVATE, info=INFO, aad=b"Count-0", ciphertext=CIPHERTEXT)
    assert opened == PLAINTEXT
    exporter = hpke.setup_receiver(KEM_OUTPUT, PRIVATE, INFO)
    assert exporter.export(b"pseudorandom0", 32) == EXPORTED


@pytest.mark.parametrize(
    ("aead", "theirs"),
    [
        (AES_128_GCM, library.AEAD.AES_128_GCM),
        (AES_256_GCM, library.AEAD.AES_256_GCM),
        (CHACHA20_POLY1305, library.AEAD.CHACHA20_POLY1305),
    ],
)
def test_another_implementation_opens_ours_and_we_open_its(
    aead: Aead, theirs: library.AEAD
) -> None:
    expanded = hashlib.shake_256(PRIVATE).digest(96)
    key = library.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )
    ours = Hpke(X_WING, HKDF_SHA256, aead)
    other = library.Suite(library.KEM.MLKEM768_X25519, library.KDF.HKDF_SHA256, theirs)
    kem_output, ciphertext = ours.seal(PUBLIC, b"info", aad=b"", plaintext=b"text")
    assert other.decrypt(kem_output + ciphertext, key, b"info") == b"text"
    sealed = other.encrypt(b"text", key.public_key(), b"info")
    kem_output, ciphertext = sealed[:1120], sealed[1120:]
    opened = ours.open(kem_output, PRIVATE, info=b"info", aad=b"", ciphertext=ciphertext)
    assert opened == b"text"


@given(material=st.binary(min_size=1, max_size=64))
def test_the_secret_arrives(material: bytes) -> None:
    private, public = X_WING.derive_key_pair(material)
    X_WING.check_public(public)
    secret, output = X_WING.encapsulate(public, random=os.urandom)
    assert X_WING.decapsulate(private, output) == secret
    assert (len(secret), len(output), len(private), len(public)) == (32, 1120, 32, 1216)
    assert X_WING.encapsulate(public, random=os.urandom) != (secret, output)


def refused_as_key(key: bytes) -> None:
    for refuse in (
        lambda: X_WING.check_public(key),
        lambda: X_WING.encapsulate(key, random=os.urandom),
        lambda: SUITE_HYBRID.check_encryption_key(key),
        lambda: key_schedule.send_external_init(SUITE_HYBRID, key),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


def refused_as_output(output: bytes) -> None:
    for refuse in (
        lambda: X_WING.decapsulate(PRIVATE, output),
        lambda: key_schedule.receive_external_init(SUITE_HYBRID, output, external=bytes(32)),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("point", LOW_ORDER, ids=bytes.hex)
def test_a32_low_order_points_are_refused(point: bytes) -> None:
    refused_as_key(PUBLIC[:LATTICE] + point)
    refused_as_output(KEM_OUTPUT[: ml_kem.CIPHERTEXT_LENGTH] + point)


def test_a27_a_second_encoding_of_the_x25519_part_is_refused() -> None:
    last = bytes((PUBLIC[-1] | 0x80,))
    refused_as_key(PUBLIC[:-1] + last)
    refused_as_output(KEM_OUTPUT[:-1] + bytes((KEM_OUTPUT[-1] | 0x80,)))


def test_a27_a_coefficient_not_below_the_modulus_is_refused() -> None:
    refused_as_key(with_coefficient(3329, 0) + PUBLIC[LATTICE:])


@pytest.mark.parametrize("size", [0, 32, 1088, 1119, 1121, 1184, 1215, 1217])
def test_keys_and_outputs_of_other_sizes_are_refused(size: int) -> None:
    refused_as_key((PUBLIC * 2)[:size])
    refused_as_output((KEM_OUTPUT * 2)[:size])
    with pytest.raises(UsageError):
        X_WING.decapsulate(bytes(size + 1), KEM_OUTPUT)


@pytest.mark.parametrize("place", [0, 1087, 1088, 1118])
def test_a_changed_output_carries_another_secret(place: int) -> None:
    changed = bytearray(KEM_OUTPUT)
    changed[place] ^= 1
    assert X_WING.decapsulate(PRIVATE, bytes(changed)) != SECRET


def test_the_x25519_part_comes_from_the_randomness_given() -> None:
    _, one = X_WING.encapsulate(PUBLIC, random=random.Random(1).randbytes)
    _, two = X_WING.encapsulate(PUBLIC, random=random.Random(1).randbytes)
    assert one[1088:] == two[1088:]
    assert one[:1088] != two[:1088]
