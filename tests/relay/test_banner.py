import io

import pytest

from relay.banner import Banner, link_address
from wire.link import Address, fingerprint, parse_server

PRINT = fingerprint(bytes(32))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(banner: Banner, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    banner.show(stream)
    return stream.getvalue()


def test_it_names_address_fingerprint_and_link() -> None:
    text = shown(Banner("127.0.0.1:5000", Address("127.0.0.1", 5000, PRINT)))
    link = next(word for word in text.split() if word.startswith("sotto://"))
    assert parse_server(link) == Address("127.0.0.1", 5000, PRINT)
    assert "Sotto relay on 127.0.0.1:5000" in text
    assert "code" not in text.lower()


def test_a_terminal_gets_a_qr_code_and_a_pipe_none() -> None:
    banner = Banner("h:1", Address("chat.example", 1, PRINT))
    blocks = "█▀▄"
    assert any(character in blocks for character in shown(banner, Terminal()))
    assert not any(character in blocks for character in shown(banner))


def test_the_admin_code_and_warnings_are_shown() -> None:
    address = Address("h", 1, PRINT)
    text = shown(Banner("h:1", address, "ABCDE-12345", ("as root",)))
    assert text.startswith("Warning: as root\n")
    assert text.splitlines()[-1].split()[-1] == "ABCDE-12345"


def test_a_host_too_long_for_a_link_is_said() -> None:
    text = shown(Banner("x", Address("a" * 60 + ".example", 5000, PRINT)))
    assert "sotto://" not in text
    assert "--public" in text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_a_relay_on_every_address_is_named_by_the_machine(host: str) -> None:
    assert link_address(host, 5, PRINT).host not in ("0.0.0.0", "::", "")
    assert link_address("192.0.2.7", 5, PRINT) == Address("192.0.2.7", 5, PRINT)
