"""Which fingerprints a relay may have: said now, known from before, or read on this machine."""

from pathlib import Path

import pytest

from engine.trust import TOFU, allowed, local_fingerprints
from wire.errors import Code, WireError
from wire.link import Address, fingerprint

ONE, TWO = fingerprint(bytes(32)), fingerprint(b"\1" * 32)
HERE, AWAY = Address("127.0.0.1", 5000), Address("chat.example", 5000)
LINK = Address("chat.example", 5000, ONE)


def none() -> tuple[str, ...]:
    """No relay of this machine."""
    return ()


def test_first_contact_needs_a_word() -> None:
    assert allowed(AWAY, trust=None, known=None, local=none) == ()
    assert allowed(AWAY, trust=TOFU, known=None, local=none) is None
    assert allowed(AWAY, trust=ONE, known=None, local=none) == (ONE,)
    assert allowed(LINK, trust=None, known=None, local=none) == (ONE,)
    assert allowed(LINK, trust=TOFU, known=None, local=none) == (ONE,)


def test_a_known_relay_stays_the_one() -> None:
    assert allowed(AWAY, trust=None, known=ONE, local=none) == (ONE,)
    assert allowed(AWAY, trust=TOFU, known=ONE, local=none) == (ONE,)
    assert allowed(LINK, trust=ONE, known=ONE, local=none) == (ONE,)


@pytest.mark.parametrize(
    ("address", "trust", "known"), [(AWAY, TWO, ONE), (LINK, None, TWO), (LINK, TWO, None)]
)
def test_what_contradicts_is_refused_with_both(
    address: Address, trust: str | None, known: str | None
) -> None:
    with pytest.raises(WireError) as caught:
        allowed(address, trust=trust, known=known, local=none)
    assert caught.value.code is Code.UNTRUSTED_RELAY
    assert {caught.value.data["expected"], caught.value.data["shown"]} == {ONE, TWO}


def test_what_is_no_fingerprint_is_said_so() -> None:
    with pytest.raises(WireError) as caught:
        allowed(AWAY, trust="yes", known=None, local=none)
    assert caught.value.code is Code.BAD_REQUEST


def test_a_relay_of_this_machine_is_known_on_loopback_only() -> None:
    assert allowed(HERE, trust=None, known=None, local=lambda: (ONE, TWO)) == (ONE, TWO)
    assert allowed(AWAY, trust=None, known=None, local=lambda: (ONE, TWO)) == ()


def test_fingerprints_are_read_from_data_folders(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "junk", "none")]
    for folder, text in zip(folders, [ONE + "\n", TWO, "?" * 10_000], strict=False):
        folder.mkdir()
        (folder / "fingerprint").write_text(text)
    assert local_fingerprints(folders) == (ONE, TWO)
