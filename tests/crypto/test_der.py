from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto import der
from crypto.errors import PeerError


@pytest.mark.parametrize(
    ("size", "header"),
    [(0, "0400"), (127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100")],
)
def test_lengths_are_as_short_as_can_be(size: int, header: str) -> None:
    encoded = der.encode(der.OCTET_STRING, bytes(size))
    assert encoded == bytes.fromhex(header) + bytes(size)
    reader = der.Reader(encoded)
    assert reader.content(der.OCTET_STRING) == bytes(size)
    reader.done()


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100"), (2**16, "0203010000")],
)
def test_integers_are_positive_and_short(value: int, encoded: str) -> None:
    assert der.integer(value).hex() == encoded


def test_object_identifiers() -> None:
    assert der.oid("1.2.840.113549.1.1.11").hex() == "06092a864886f70d01010b"
    assert der.oid("2.5.4.3").hex() == "0603550403"
    assert der.oid("0.9.2342.19200300.100.1.1").hex() == "060a0992268993f22c640101"


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_a66_noise_raises_peer_errors_only(noise: bytes) -> None:
    reader = der.Reader(noise)
    with suppress(PeerError):
        element = der.Reader(reader.element(der.SEQUENCE))
        element.inside(der.SEQUENCE).content(der.INTEGER)
        reader.done()


def test_an_element_keeps_its_header_and_what_is_left_is_refused() -> None:
    reader = der.Reader(der.integer(5) + der.NULL)
    assert reader.element(der.INTEGER) == der.integer(5)
    with pytest.raises(PeerError):
        reader.done()
    with pytest.raises(PeerError):
        reader.element(der.INTEGER)
