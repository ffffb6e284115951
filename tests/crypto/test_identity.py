from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from crypto import der, identity
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError, UsageError
from crypto.identity import RootKey, certify_device, certify_root, device_id, verify_chain
from tests.crypto.forging import Node, forge, parse_all

ALICE = RootKey.generate("ed25519")
BOB = RootKey.generate("ed25519")
RSA = RootKey.generate("rsa")
DEVICE = SigningKey.from_seed(bytes(range(32))).public
OTHER_DEVICE = SigningKey.from_seed(bytes(range(1, 33))).public
ALICE_ROOT = certify_root(ALICE, account="alice", display="Alice")
ALICE_DEVICE = certify_device(ALICE, ALICE_ROOT, device_key=DEVICE)
BOB_ROOT = certify_root(BOB, account="bob", display="Bob")
BOB_DEVICE = certify_device(BOB, BOB_ROOT, device_key=OTHER_DEVICE)
RSA_ROOT = certify_root(RSA, account="alice", display="Alice")
RSA_DEVICE = certify_device(RSA, RSA_ROOT, device_key=DEVICE)

# RFC 8032 encodings of every point of small order, the second encodings among them.
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
]


def refused(*chain: bytes, code: str = "bad_certificate") -> None:
    with pytest.raises(PeerError) as caught:
        verify_chain(chain)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("root", "root_certificate", "device_certificate", "kind"),
    [(ALICE, ALICE_ROOT, ALICE_DEVICE, "ed25519"), (RSA, RSA_ROOT, RSA_DEVICE, "rsa")],
    ids=["ed25519", "rsa"],
)
def test_a_chain_proves_account_device_and_root(
    root: RootKey, root_certificate: bytes, device_certificate: bytes, kind: str
) -> None:
    found = verify_chain([device_certificate, root_certificate])
    assert (found.account, found.display) == ("alice", "Alice")
    assert (found.root_identity, found.root_kind) == (root.identity, kind)
    assert (found.device_key, found.device_id) == (DEVICE, device_id(DEVICE))
    assert verify_chain((device_certificate, root_certificate), device_key=DEVICE) == found


@pytest.mark.parametrize("chain", [(ALICE_DEVICE, ALICE_ROOT), (RSA_DEVICE, RSA_ROOT)])
def test_other_software_reads_the_certificates(chain: tuple[bytes, bytes]) -> None:
    device, root = (x509.load_der_x509_certificate(each) for each in chain)
    device.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert not device.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    uris = device.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert uris.get_values_for_type(x509.UniformResourceIdentifier) == [
        f"sotto:alice/{device_id(DEVICE).hex()}"
    ]
    assert device.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_names_beyond_ascii_survive() -> None:
    root_certificate = certify_root(ALICE, account="наталья", display="Наталья")
    chain = [certify_device(ALICE, root_certificate, device_key=DEVICE), root_certificate]
    assert verify_chain(chain).display == "Наталья"


def test_certificates_are_the_same_each_time() -> None:
    for root, expected in ((ALICE, ALICE_ROOT), (RSA, RSA_ROOT)):
        assert certify_root(root, account="alice", display="Alice") == expected


def test_a_device_has_one_id_and_another_device_another() -> None:
    assert len(device_id(DEVICE)) == 16
    assert device_id(DEVICE) != device_id(OTHER_DEVICE)


@pytest.mark.parametrize("name", ["a", "x" * 65, "al ice", "ali\x00ce", "ali\x7fce", "a\u0085b"])
def test_names_out_of_bounds_are_not_certified(name: str) -> None:
    with pytest.raises(UsageError):
        certify_root(ALICE, account=name, display="Alice")
    with pytest.raises(UsageError):
        certify_root(ALICE, account="alice", display=name)


def test_a_root_does_not_certify_under_another_roots_name_or_itself() -> None:
    with pytest.raises(UsageError):
        certify_device(BOB, ALICE_ROOT, device_key=DEVICE)
    own_key = ALICE.spki[-32:]
    with pytest.raises(UsageError):
        certify_device(ALICE, ALICE_ROOT, device_key=own_key)
    with pytest.raises(PeerError):
        certify_device(ALICE, ALICE_ROOT, device_key=SMALL_ORDER[0])


def test_the_leafs_key_must_be_the_devices() -> None:
    with pytest.raises(PeerError) as caught:
        verify_chain([ALICE_DEVICE, ALICE_ROOT], device_key=OTHER_DEVICE)
    assert caught.value.code == "bad_certificate"


# --- attack 2: a ghost device -------------------------------------------------------------------


def test_a02_a_device_of_the_relays_own_root_does_not_become_another_accounts() -> None:
    mallory = RootKey.generate("ed25519")
    own_root = certify_root(mallory, account="alice", display="Alice")
    own_device = certify_device(mallory, own_root, device_key=OTHER_DEVICE)
    # Alone the chain is sound, but it is another root: the pin and the tree tell it apart.
    assert verify_chain([own_device, own_root]).root_identity != ALICE.identity
    refused(own_device, ALICE_ROOT)


def test_a02_a_self_signed_device_is_refused() -> None:
    refused(ALICE_ROOT, ALICE_ROOT)
    refused(ALICE_DEVICE, ALICE_DEVICE)
    refused(ALICE_DEVICE)
    refused()


def test_a02_another_accounts_certificates_are_refused() -> None:
    refused(BOB_DEVICE, ALICE_ROOT)
    refused(ALICE_DEVICE, BOB_ROOT)
    refused(ALICE_ROOT, ALICE_DEVICE)
    refused(ALICE_DEVICE, ALICE_ROOT, ALICE_ROOT)


def test_a02_the_same_root_under_another_account_name_does_not_take_the_device() -> None:
    renamed = certify_root(ALICE, account="bob", display="Bob")
    refused(ALICE_DEVICE, renamed)


@pytest.mark.parametrize("place", [0, 1])
def test_a02_other_dates_are_refused(place: int) -> None:
    def change(tbs: Node) -> None:
        tbs[4][place].inside = (b"210101000000Z", b"20300101000000Z")[place]

    refused(forge(ALICE, ALICE_DEVICE, change), ALICE_ROOT)
    refused(ALICE_DEVICE, forge(ALICE, ALICE_ROOT, change))


# --- attack 31: keys that sign without a secret ---------------------------------------------------


@pytest.mark.parametrize("key", SMALL_ORDER, ids=lambda key: key.hex()[-4:] + key.hex()[:2])
def test_a31_small_order_keys_are_refused_as_device_and_as_root(key: bytes) -> None:
    def change(tbs: Node) -> None:
        tbs[6][1].inside = b"\0" + key

    refused(forge(ALICE, ALICE_DEVICE, change), ALICE_ROOT, code="bad_public_key")
    refused(ALICE_DEVICE, forge(ALICE, ALICE_ROOT, change), code="bad_public_key")


# --- attack 81: X.509 tricks ---------------------------------------------------------------------

Change = Callable[[Node], None]


def set_at(*path: int, to: bytes) -> Change:
    """Replace the bytes of the value at `path` in the signed part."""

    def change(tbs: Node) -> None:
        node = tbs
        for place in path:
            node = node[place]
        node.inside = to

    return change


def swap_tag(*path: int, to: int) -> Change:
    def change(tbs: Node) -> None:
        node = tbs
        for place in path:
            node = node[place]
        node.tag = to

    return change


def drop(*path: int) -> Change:
    def change(tbs: Node) -> None:
        node = tbs
        for place in path[:-1]:
            node = node[place]
        del node.children[path[-1]]

    return change


def add(*path: int, node_bytes: bytes) -> Change:
    def change(tbs: Node) -> None:
        node = tbs
        for place in path:
            node = node[place]
        node.children.extend(parse_all(node_bytes))

    return change


def double(*path: int) -> Change:
    def change(tbs: Node) -> None:
        node = tbs
        for place in path[:-1]:
            node = node[place]
        node.children.append(copy.deepcopy(node[path[-1]]))

    return change


UNKNOWN_CRITICAL = der.encode(
    der.SEQUENCE, der.oid("1.2.3.4"), der.BOOLEAN_TRUE, der.encode(der.OCTET_STRING, der.NULL)
)
EMPTY_UNIQUE_ID = der.encode(0x81, b"\0\0")
CA_TRUE = der.encode(der.SEQUENCE, der.BOOLEAN_TRUE)
RSA_PSS = der.oid("1.2.840.113549.1.1.10")[2:]

# Places in the signed part: 0 version, 1 serial, 2 algorithm, 3 issuer, 4 dates, 5 subject, 6 key,
# 7 extensions. In a subject: 0 account, 1 display. Extensions: 0 basic constraints, 1 key usage,
# 2 alternative name, 3 subject key, 4 authority key.
BOTH: dict[str, Change] = {
    "version 1": drop(0),
    "version 2": set_at(0, 0, to=b"\x01"),
    "other serial": set_at(1, to=b"\x01"),
    "negative serial": set_at(1, to=b"\x80" + bytes(15)),
    "padded serial": lambda tbs: setattr(tbs[1], "inside", b"\0" + tbs[1].inside),
    "other algorithm inside": set_at(2, 0, to=RSA_PSS),
    "parameters in the algorithm": add(2, node_bytes=der.NULL),
    "other issuer": set_at(3, 0, 0, 1, to=b"bob"),
    "issuer as another string type": swap_tag(3, 1, 0, 1, to=der.PRINTABLE_STRING),
    "generalized time for 2020": swap_tag(4, 0, to=der.GENERALIZED_TIME),
    "no dates": set_at(4, to=b""),
    "subject as another string type": swap_tag(5, 1, 0, 1, to=der.PRINTABLE_STRING),
    "no account": drop(5, 0),
    "two accounts": double(5, 0),
    "account of another type": set_at(5, 0, 0, 0, to=der.oid("2.5.4.3")[2:]),
    "a NUL in the name": set_at(5, 1, 0, 1, to=b"Alice\0evil"),
    "not UTF-8": set_at(5, 1, 0, 1, to=b"\xff\xfe\xfd"),
    "an overlong UTF-8 form": set_at(5, 1, 0, 1, to=b"\xc1\x81lice"),
    "a surrogate": set_at(5, 1, 0, 1, to=b"A\xed\xa0\x80"),
    "an empty name": set_at(5, 1, 0, 1, to=b""),
    "a name too long": set_at(5, 1, 0, 1, to=b"x" * 65),
    "the key of another type": set_at(6, 0, 0, to=der.oid("1.3.101.110")[2:]),
    "a key too short": set_at(6, 1, to=b"\0" + DEVICE[:31]),
    "unused bits in the key": set_at(6, 1, to=b"\x01" + DEVICE),
    "a unique identifier": add(node_bytes=EMPTY_UNIQUE_ID),
    "an unknown critical extension": add(7, 0, node_bytes=UNKNOWN_CRITICAL),
    "an extension twice": double(7, 0, 2),
    "no extensions": drop(7),
    "no basic constraints": drop(7, 0, 0),
    "basic constraints not critical": drop(7, 0, 0, 1),
    "critical encoded as FALSE": set_at(7, 0, 0, 1, to=b"\x00"),
    "critical encoded as 1": set_at(7, 0, 0, 1, to=b"\x01"),
    "no key usage": drop(7, 0, 1),
    "key usage not critical": drop(7, 0, 1, 1),
    "all key usages": set_at(7, 0, 1, 2, to=der.bit_string(b"\xff")),
    "no alternative name": drop(7, 0, 2),
    "another alternative name": set_at(
        7, 0, 2, 1, to=der.encode(der.SEQUENCE, der.encode(0x86, b"sotto:bob"))
    ),
    "another subject key id": set_at(7, 0, 3, 1, to=der.encode(der.OCTET_STRING, bytes(32))),
}
DEVICE_ONLY: dict[str, Change] = {
    "a device that is a CA": set_at(7, 0, 0, 2, to=CA_TRUE),
    "a CA flag of FALSE written out": set_at(
        7, 0, 0, 2, to=der.encode(der.SEQUENCE, b"\x01\x01\x00")
    ),
    "a device that may sign certificates": set_at(7, 0, 1, 2, to=der.bit_string(b"\x84", 2)),
    "another device id in the subject": set_at(5, 2, 0, 1, to=b"0" * 32),
    "no device id in the subject": drop(5, 2),
    "another account in the subject": set_at(5, 0, 0, 1, to=b"bob"),
    "another authority": set_at(7, 0, 4, 1, to=der.encode(der.SEQUENCE, der.encode(0x80, b"x"))),
}
ROOT_ONLY: dict[str, Change] = {
    "a path length of 1": set_at(
        7, 0, 0, 2, to=der.encode(der.SEQUENCE, der.BOOLEAN_TRUE, der.integer(1))
    ),
    "no path length": set_at(7, 0, 0, 2, to=CA_TRUE),
    "a root that is no CA": set_at(7, 0, 0, 2, to=der.encode(der.SEQUENCE)),
    "a root that signs data": set_at(7, 0, 1, 2, to=der.bit_string(b"\x80", 7)),
    "issuer and subject differ": set_at(3, 1, 0, 1, to=b"Alicf"),
}


@pytest.mark.parametrize("trick", BOTH)
def test_a81_tricks_in_either_certificate_are_refused(trick: str) -> None:
    refused(forge(ALICE, ALICE_DEVICE, BOTH[trick]), ALICE_ROOT)
    refused(ALICE_DEVICE, forge(ALICE, ALICE_ROOT, BOTH[trick]))


@pytest.mark.parametrize("trick", DEVICE_ONLY)
def test_a81_tricks_in_a_device_certificate_are_refused(trick: str) -> None:
    refused(forge(ALICE, ALICE_DEVICE, DEVICE_ONLY[trick]), ALICE_ROOT)


@pytest.mark.parametrize("trick", ROOT_ONLY)
def test_a81_tricks_in_a_root_certificate_are_refused(trick: str) -> None:
    refused(ALICE_DEVICE, forge(ALICE, ALICE_ROOT, ROOT_ONLY[trick]))


def test_a81_a_forgery_that_changes_nothing_is_accepted() -> None:
    assert forge(ALICE, ALICE_DEVICE, lambda tbs: None) == ALICE_DEVICE
    assert forge(RSA, RSA_ROOT, lambda tbs: None) == RSA_ROOT


def test_a81_the_algorithm_outside_must_be_the_one_inside() -> None:
    other = der.encode(der.SEQUENCE, der.oid("1.2.840.113549.1.1.11"), der.NULL)
    refused(forge(ALICE, ALICE_DEVICE, lambda tbs: None, algorithm=other), ALICE_ROOT)
    without_null = der.encode(der.SEQUENCE, der.oid("1.2.840.113549.1.1.11"))
    refused(forge(RSA, RSA_DEVICE, lambda tbs: None, algorithm=without_null), RSA_ROOT)


@pytest.mark.parametrize("chain", [(ALICE_DEVICE, ALICE_ROOT), (RSA_DEVICE, RSA_ROOT)])
def test_a81_each_flipped_bit_and_each_cut_is_refused(chain: tuple[bytes, bytes]) -> None:
    codes = set()
    for place, good in enumerate(chain):
        for at in range(0, len(good), 7):
            bad = bytearray(good)
            bad[at] ^= 1 << at % 8
            for damaged in (bytes(bad), good[:at]):
                parts = list(chain)
                parts[place] = damaged
                with pytest.raises(PeerError) as caught:
                    verify_chain(parts)
                codes.add(caught.value.code)
    assert codes <= {"bad_certificate", "bad_public_key"}


def test_a81_bytes_outside_and_other_length_forms_are_refused() -> None:
    refused(ALICE_DEVICE + b"\0", ALICE_ROOT)
    refused(ALICE_DEVICE, ALICE_ROOT + ALICE_ROOT)
    refused(b"", ALICE_ROOT)
    refused(ALICE_DEVICE, bytes(5000))
    body = ALICE_ROOT[4:]
    assert ALICE_ROOT[1] == 0x82
    refused(ALICE_DEVICE, b"\x30\x83\0" + len(body).to_bytes(2, "big") + body)
    refused(ALICE_DEVICE, b"\x30\x80" + body + b"\0\0")
    refused(ALICE_DEVICE, b"\x30\x84\xff\xff\xff\xff" + body)
    refused(ALICE_DEVICE, b"\x30\xff" + body)


def test_a81_a_signature_of_another_size_or_with_unused_bits_is_refused() -> None:
    (whole,) = parse_all(ALICE_DEVICE)
    signature = whole[2].inside
    assert isinstance(signature, bytes)
    for bad in (signature[:-1], signature + b"\0", b"\x01" + signature[1:], b"\0", b""):
        whole[2].inside = bad
        refused(whole.encode(), ALICE_ROOT)


@pytest.mark.parametrize(
    "public_key",
    [
        rsa.generate_private_key(65537, 2048).public_key(),
        rsa.generate_private_key(3, 3072).public_key(),
        ec.generate_private_key(ec.SECP256R1()).public_key(),
    ],
    ids=["RSA-2048", "exponent 3", "P-256"],
)
def test_a81_other_key_types_are_refused_as_root_and_as_device(
    public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
) -> None:
    (spki,) = parse_all(public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def change(tbs: Node) -> None:
        tbs.children[6] = spki

    refused(forge(ALICE, ALICE_DEVICE, change), ALICE_ROOT)
    refused(ALICE_DEVICE, forge(ALICE, ALICE_ROOT, change))
    refused(RSA_DEVICE, forge(RSA, RSA_ROOT, change))


def test_a81_an_rsa_key_in_a_second_encoding_is_refused() -> None:
    def change(tbs: Node) -> None:
        tbs[6][0].children.pop()  # the NULL parameters
        tbs[6][1].inside = tbs[6][1].inside + b"\0\0"  # keeps the size

    refused(RSA_DEVICE, forge(RSA, RSA_ROOT, change))


def test_a81_a_root_key_as_device_key_is_refused() -> None:
    def change(tbs: Node) -> None:
        tbs[6][1].inside = b"\0" + ALICE.spki[-32:]

    refused(forge(ALICE, ALICE_DEVICE, change), ALICE_ROOT)


def test_a81_a_chain_is_refused_again_after_a_good_one_was_kept() -> None:
    verify_chain([ALICE_DEVICE, ALICE_ROOT])
    bad = forge(BOB, ALICE_DEVICE, lambda tbs: None)
    refused(bad, ALICE_ROOT)
    refused(bad, ALICE_ROOT)


def test_the_size_limit_is_the_wires() -> None:
    from wire import limits

    assert identity.MAX_CERTIFICATE_BYTES == limits.MAX_CERTIFICATE_BYTES
    longest = certify_root(RSA, account="я" * 64, display="𐍈" * 64)
    assert len(longest) < identity.MAX_CERTIFICATE_BYTES
    device = certify_device(RSA, longest, device_key=DEVICE)
    assert verify_chain([device, longest]).account == "я" * 64


# --- root keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("root", [ALICE, RSA], ids=["ed25519", "rsa"])
def test_a_root_key_survives_storage_and_hides_itself(root: RootKey) -> None:
    again = RootKey.from_bytes(root.to_bytes())
    assert (again.identity, again.kind, again.spki) == (root.identity, root.kind, root.spki)
    assert repr(root) == f"RootKey({root.kind}, ...)"


def private_bytes(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


# Well-formed PKCS #8 for Ed25519 with a seed of fewer than 32 bytes: the library gives up on it.
SHORT_SEEDS = [
    bytes((0x30, 14 + size, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 2 + size, 4, size))
    + bytes(size)
    for size in (0, 31)
]


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"x" * 48,
        bytes(3000),
        private_bytes(rsa.generate_private_key(65537, 2048)),
        private_bytes(ec.generate_private_key(ec.SECP256R1())),
        *SHORT_SEEDS,
    ],
    ids=["empty", "noise", "too long", "RSA-2048", "P-256", "no seed", "short seed"],
)
def test_other_stored_keys_are_refused(stored: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        RootKey.from_bytes(stored)
    assert caught.value.code == "bad_root_key"


def test_a_root_key_has_one_of_two_kinds_and_signs_certificates_only() -> None:
    with pytest.raises(UsageError):
        RootKey.generate("p256")  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        ALICE.sign_certificate(b"Sotto 1.0 order\0")
