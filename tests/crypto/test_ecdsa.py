"""ECDSA: the RFC's vectors, and every signature that must not pass."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from crypto.ecdsa import P256_SHA256, P384_SHA384, P521_SHA512, Ecdsa
from crypto.errors import PeerError, UsageError

SCHEMES = pytest.mark.parametrize(
    "scheme", [P256_SHA256, P384_SHA384, P521_SHA512], ids=lambda scheme: scheme.curve.name
)
# RFC 6979, appendix A.2.5: the key, and r and s over "sample".
PRIVATE = bytes.fromhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def refused(scheme: Ecdsa, public: bytes, signature: bytes, message: bytes = b"message") -> None:
    with pytest.raises(PeerError) as caught:
        scheme.verify(public, message, signature)
    assert caught.value.code == "bad_signature"


def test_the_vector_of_rfc_6979() -> None:
    signer = P256_SHA256.load_signer(PRIVATE)
    assert decode_dss_signature(signer.sign(b"sample")) == (R, S)
    P256_SHA256.verify(signer.public, b"sample", encode_dss_signature(R, S))


@SCHEMES
def test_a_signature_counts_for_its_message_and_key_only(scheme: Ecdsa) -> None:
    one, two = scheme.generate(), scheme.generate()
    signature = one.sign(b"message")
    scheme.verify(one.public, b"message", signature)
    refused(scheme, one.public, signature, b"other")
    refused(scheme, two.public, signature)


@SCHEMES
def test_a33_another_encoding_of_a_signature_is_refused(scheme: Ecdsa) -> None:
    signer = scheme.generate(bytes)
    signature = signer.sign(b"message")
    scheme.verify(signer.public, b"message", signature)
    header = 3 if signature[1] == 0x81 else 2
    body = signature[header:]
    length_in_two = b"\x30\x82" + len(body).to_bytes(2) + body
    indefinite = b"\x30\x80" + body + b"\x00\x00"
    first = body[2 : 2 + body[1]]
    longer = b"\x02" + bytes((len(first) + 1,)) + b"\x00" + first + body[2 + body[1] :]
    zero_first = b"\x30" + (b"\x81" if len(longer) > 127 else b"") + bytes((len(longer),)) + longer
    raw = b"".join(
        number.to_bytes(scheme.curve.key_length) for number in decode_dss_signature(signature)
    )
    trailing, cut = signature + b"\x00", signature[:-1]
    for form in (length_in_two, indefinite, zero_first, raw, trailing, cut, b"", b"\x30\x00"):
        refused(scheme, signer.public, form)


@SCHEMES
def test_a33_numbers_out_of_range_are_refused(scheme: Ecdsa) -> None:
    signer, order = scheme.generate(), scheme.curve.curve.group_order
    r, s = decode_dss_signature(signer.sign(b"message"))
    for numbers in ((0, s), (r, 0), (r, s + order), (r + order, s), (r, order), (order, s)):
        refused(scheme, signer.public, encode_dss_signature(*numbers))


@SCHEMES
def test_a_signature_far_too_long_is_refused_unread(scheme: Ecdsa) -> None:
    signer = scheme.generate()
    refused(scheme, signer.public, encode_dss_signature(1 << 4000, 1))


@SCHEMES
def test_the_negative_of_a_signature_is_one_too(scheme: Ecdsa) -> None:
    # What the module says of itself: these suites do not have strong unforgeability.
    signer, order = scheme.generate(), scheme.curve.curve.group_order
    r, s = decode_dss_signature(signer.sign(b"message"))
    scheme.verify(signer.public, b"message", encode_dss_signature(r, order - s))


@SCHEMES
def test_a_signer_repeats_itself_and_hides(scheme: Ecdsa) -> None:
    signer = scheme.generate(bytes)
    assert signer.public == scheme.load_signer((1).to_bytes(scheme.private_length)).public
    assert signer.sign(b"message") == signer.sign(b"message")
    assert repr(signer) == "SigningKey(...)"
    with pytest.raises(UsageError):
        scheme.load_signer(bytes(scheme.private_length))
