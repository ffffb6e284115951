from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.labels import Purpose, labelled, sign, verify

KEY = SigningKey.from_seed(bytes(32))
ROOT = Path(__file__).parents[2]


def test_a_signature_verifies_with_its_purpose_and_parts() -> None:
    signature = sign(KEY, Purpose.ORDER, b"one", b"", b"two")
    assert len(signature) == 64
    verify(KEY.public, Purpose.ORDER, signature, b"one", b"", b"two")


@pytest.mark.parametrize(
    "parts", [(b"onetwo",), (b"one", b"two"), (b"one", b"two", b""), (b"", b"one", b"two"), ()]
)
def test_parts_that_join_to_the_same_bytes_are_not_the_same(parts: tuple[bytes, ...]) -> None:
    signature = sign(KEY, Purpose.ORDER, b"one", b"", b"two")
    with pytest.raises(PeerError) as caught:
        verify(KEY.public, Purpose.ORDER, signature, *parts)
    assert caught.value.code == "bad_signature"


PARTS = st.lists(st.binary(max_size=12), max_size=4)


@settings(max_examples=100)
@given(PARTS, PARTS)
def test_two_lists_of_parts_give_two_strings(one: list[bytes], other: list[bytes]) -> None:
    is_equal = labelled(Purpose.ORDER, *one) == labelled(Purpose.ORDER, *other)
    assert is_equal == (one == other)


def test_a41_a_signature_for_one_purpose_verifies_for_no_other() -> None:
    for made_for in Purpose:
        signature = sign(KEY, made_for, b"content")
        for read_as in Purpose:
            if made_for is read_as:
                verify(KEY.public, read_as, signature, b"content")
                continue
            with pytest.raises(PeerError):
                verify(KEY.public, read_as, signature, b"content")


def test_a41_no_label_is_the_beginning_of_another_with_its_end() -> None:
    prefixes = [labelled(purpose) for purpose in Purpose]
    assert len(set(prefixes)) == len(Purpose)
    assert not any(a is not b and b.startswith(a) for a in prefixes for b in prefixes)


def test_a41_a_signature_of_ours_is_neither_mls_content_nor_a_certificate() -> None:
    # RFC 9420, section 5.1.2: SignContent begins with the length of a label, "MLS 1.0 " in front.
    for purpose in Purpose:
        content = labelled(purpose)
        length_as_mls = int.from_bytes(content[:2], "big") & 0x3FFF
        assert length_as_mls > 255, "no label of MLS is that long"
        assert content[0] != 0x30, "a certificate begins with a sequence"


MODULES_THAT_LABEL = {"labels", "framing"}


def test_a41_only_labels_mls_and_the_root_key_sign() -> None:
    """No other file calls a method named sign: there is no raw signing."""
    allowed = {
        "crypto/labels.py",
        "crypto/root_key.py",  # certificates
        "crypto/ecdsa.py",
        "crypto/ed448.py",
        "crypto/ed25519.py",
        "crypto/mls/suite.py",  # SignWithLabel
        "relay/tls.py",  # the TLS key, which has no other use, its own certificate
    }
    found = set()
    for room in ("crypto", "wire", "storage", "relay", "engine", "ui"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    owner = node.func.value
                    # framing.sign is FramedContentTBS under SignWithLabel.
                    is_labelled = isinstance(owner, ast.Name) and owner.id in MODULES_THAT_LABEL
                    if node.func.attr == "sign" and not is_labelled:
                        found.add(path.relative_to(ROOT).as_posix())
    assert found <= allowed


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_a_signature_of_zeros_or_another_size_is_refused(signature: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        verify(KEY.public, Purpose.ORDER, signature)
    assert caught.value.code == "bad_signature"


def test_a31_a_small_order_key_verifies_nothing() -> None:
    identity_point = b"\x01" + bytes(31)
    with pytest.raises(PeerError) as caught:
        verify(identity_point, Purpose.ORDER, identity_point + bytes(32), b"anything")
    assert caught.value.code == "bad_public_key"
