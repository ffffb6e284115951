"""KeyPackages: dates, limits, storage; the rules of the leaf inside are in test_leaf_doors.py."""

from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.extensions import Extension
from crypto.mls.framing import WireFormat, wrap
from crypto.mls.key_package import KeyPackage, OwnKeyPackage, make_key_package, validate
from crypto.mls.leaf_node import LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import EXTENSION, config, key_package, leaf_content, signing_key
from tests.crypto.mls.doors import signed_key_package


def _lasting(start_s: int, end_s: int) -> KeyPackage:
    lasting = replace(config("alice"), lifetime=(start_s, end_s))
    return KeyPackage.decode(make_key_package(SUITE_1, lasting).encoded)


def _refused(package: KeyPackage, now_s: int = 150, max_lifetime_s: int = 100) -> str:
    with pytest.raises(PeerError) as refused:
        validate(package, now_s=now_s, max_lifetime_s=max_lifetime_s)
    return refused.value.code


def test_a_key_package_counts_within_its_lifetime() -> None:
    package = _lasting(100, 200)
    for now_s in (100, 150, 200):
        validate(package, now_s=now_s, max_lifetime_s=100)
    assert _refused(package, now_s=99) == "VAL-7.3-5"
    assert _refused(package, now_s=201) == "VAL-7.3-5"
    assert _refused(package, max_lifetime_s=99) == "VAL-7.2-1"
    with pytest.raises(UsageError):
        _lasting(200, 100)


def test_a_key_package_needs_a_leaf_of_its_own() -> None:
    leaf = sign_leaf(
        SUITE_1,
        leaf_content("alice", LeafNodeSource.UPDATE),
        signer=signing_key("alice"),
    )
    assert _refused(signed_key_package(leaf, signing_key("alice"))) == "VAL-7.3-7"


def test_extensions_of_a_key_package_that_nobody_knows_are_ignored() -> None:
    own = make_key_package(SUITE_1, config("alice"))
    leaf = KeyPackage.decode(own.encoded).leaf_node
    claimed, grease = Extension(EXTENSION, b"x"), Extension(0x3A3A, b"x")
    package = signed_key_package(leaf, signing_key("alice"), [claimed, grease])
    validate(package, now_s=0, max_lifetime_s=2**64)


def test_a_leaf_need_not_list_the_suite_that_its_keys_are_of() -> None:
    content = leaf_content("alice", LeafNodeSource.KEY_PACKAGE)
    silent = replace(content.capabilities, cipher_suites=(2, 3))
    changed = replace(content, capabilities=silent, lifetime=Lifetime(0, 100))
    leaf = sign_leaf(SUITE_1, changed, signer=signing_key("alice"))
    package = signed_key_package(leaf, signing_key("alice"))
    validate(package, now_s=0, max_lifetime_s=100)


def test_a_key_package_of_an_unknown_suite_is_refused() -> None:
    encoded = key_package("alice").encoded
    other = KeyPackage.decode(encoded[:2] + b"\x77\x77" + encoded[4:])
    assert _refused(other) == "unsupported_suite"


def test_the_message_around_a_key_package_has_its_version() -> None:
    encoded = key_package("alice").encoded
    message = wrap(WireFormat.KEY_PACKAGE, encoded)
    decoded = decode_message(message)
    assert isinstance(decoded, KeyPackage)
    assert encode_message(decoded) == message
    with pytest.raises(PeerError) as refused:
        decode_message(wrap(WireFormat.KEY_PACKAGE, b"\x00\x02" + encoded[2:]))
    assert refused.value.code == "VAL-10-1"


def test_unknown_messages_are_refused() -> None:
    for header in (b"\x00\x02\x00\x05", b"\x00\x01\x00\x06", b"\x00\x01\x00\x00", b"\x00"):
        with pytest.raises(PeerError) as refused:
            decode_message(header + key_package("alice").encoded)
        assert refused.value.code == "malformed"


def test_own_key_packages_survive_storage() -> None:
    own = key_package("alice")
    assert OwnKeyPackage.from_bytes(own.to_bytes()) == own
    assert KeyPackage.decode(own.encoded).reference(SUITE_1) == own.reference
    assert not KeyPackage.decode(own.encoded).is_last_resort


def test_a_last_resort_key_package_says_so() -> None:
    own = make_key_package(SUITE_1, config("alice"), last_resort=True)
    package = KeyPackage.decode(own.encoded)
    assert package.is_last_resort
    validate(package, now_s=0, max_lifetime_s=2**64)
