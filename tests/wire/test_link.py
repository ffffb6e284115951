"""Join links and fingerprints: one form each, and whatever is typed wrong is said so."""

import pytest

from wire.errors import Code, WireError
from wire.link import (
    MAX_LINK_BYTES,
    Address,
    encode_fingerprint,
    fingerprint,
    format_fingerprint,
    format_link,
    parse_fingerprint,
    parse_server,
)

PRINT = fingerprint(bytes(32))


def test_a_link_comes_back_whole() -> None:
    for host, server in (
        ("127.0.0.1", "127.0.0.1:5000"),
        ("::1", "[::1]:5000"),
        ("chat.example.org", "chat.example.org:5000"),
    ):
        address = Address(host, 5000, PRINT)
        link = format_link(address)
        assert link == f"sotto://{server}/#{PRINT}"
        assert parse_server(link) == address


def test_what_people_type() -> None:
    assert parse_server(" localhost ") == Address("localhost", 5000)
    assert parse_server("LOCALHOST:81") == Address("localhost", 81)
    assert parse_server("::1") == Address("::1", 5000)
    assert parse_server("[::1]:7") == Address("::1", 7)
    assert parse_server(f"Sotto://h:1#{PRINT}") == Address("h", 1, PRINT)


def test_a84_a_look_alike_host_is_shown_in_punycode() -> None:
    assert parse_server("chаt.example").host == "xn--cht-7cd.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:0",
        "h:65536",
        "h:99999999999",
        "h:x",
        "h:²",
        "a b",
        "-a",
        "a..b",
        "[::1",
        "[::1]5",
        "sotto://h:1",
        f"sotto://h:1/#{PRINT}x",
        "sotto://h:1/#" + PRINT[:-1],
        "h" * 300,
        "x" * 600,
        "http://h",
        "h/../../etc",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(WireError) as caught:
        parse_server(text)
    assert caught.value.code is Code.BAD_REQUEST


def test_a_fingerprint_has_one_form() -> None:
    assert len(PRINT) == 43
    assert parse_fingerprint(format_fingerprint(PRINT)) == PRINT
    assert encode_fingerprint(bytes(32)) == "A" * 43
    with pytest.raises(WireError):  # the spare bits of the last character are not free
        parse_fingerprint("A" * 42 + "B")


def test_a_link_is_short_and_has_a_fingerprint() -> None:
    with pytest.raises(WireError):
        format_link(Address("h", 1))
    longest = "h" * (MAX_LINK_BYTES - len(f"sotto://:5000/#{PRINT}"))
    assert len(format_link(Address(longest, 5000, PRINT))) == MAX_LINK_BYTES
    with pytest.raises(WireError):
        format_link(Address(longest + "h", 5000, PRINT))


def test_loopback_goes_by_the_name_alone() -> None:
    assert all(Address(host, 1).is_loopback for host in ("localhost", "127.0.0.1", "::1"))
    assert not any(Address(host, 1).is_loopback for host in ("chat.example", "10.0.0.1"))
