from __future__ import annotations

import pytest

from wire.emails import canonical_email
from wire.errors import WireError


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("bob@example.org", "bob@example.org"),
        (" Bob@Example.ORG\n", "bob@example.org"),
        ("b.o-b+chat@mail.example.org", "b.o-b+chat@mail.example.org"),
        ("bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("bob@BÜCHER.example", "bob@xn--bcher-kva.example"),
        ("a" * 64 + "@example.org", "a" * 64 + "@example.org"),
    ],
)
def test_an_address_has_one_form(typed: str, canonical: str) -> None:
    assert canonical_email(typed) == canonical
    assert canonical_email(canonical) == canonical


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "bob",
        "@example.org",
        "bob@",
        "bob@localhost",
        "bob@example..org",
        "bob@.example.org",
        "bob@example.org.",
        "bob@-example.org",
        "bob@exam ple.org",
        "bob@[192.0.2.1]",
        "bob@a@example.org",
        "b ob@example.org",
        ".bob@example.org",
        "bob.@example.org",
        "b..ob@example.org",
        '"bob"@example.org',
        "bób@example.org",
        "bob\x00@example.org",
        "bob\r\nBcc: eve@example.org",
        "bob@example.org\x00",
        "bob@\ud800.org",
        "a" * 65 + "@example.org",
        "bob@" + "a" * 64 + ".org",
        "bob@" + "a." * 125 + "org",
        "b" * 10_000,
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(WireError) as caught:
        canonical_email(typed)
    assert caught.value.code == "bad_request"
