"""engine.keyrings: only a keyring that encrypts, and never for longer than it was given."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend

from engine.keyrings import SystemKeyring, within

KEY = bytes(range(32))


class Kept(KeyringBackend):
    """A keyring of the test's own; `priority` 5 is what the systems' keyrings have."""

    priority = 5.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class InTheClear(Kept):
    """What keyring calls not recommended: below 1."""

    priority = 0.5


class Forgetful(Kept):
    """Takes everything, keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def test_a_key_is_kept_found_and_forgotten() -> None:
    keyring.set_keyring(Kept())
    system = SystemKeyring()
    assert system.is_real()
    with pytest.raises(LookupError):
        system.get("a")
    system.put("a", KEY)
    assert system.get("a") == KEY
    system.delete("a")
    with pytest.raises(LookupError):
        system.get("a")


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring, InTheClear])
def test_what_keeps_nothing_or_in_the_clear_is_none(backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    system = SystemKeyring()
    assert not system.is_real()
    with pytest.raises(LookupError):
        system.put("a", KEY)
    with pytest.raises(LookupError):
        system.get("a")


def test_of_a_chain_only_what_encrypts_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    clear, kept = InTheClear(), Kept()
    monkeypatch.setattr(ChainerBackend, "backends", [clear, kept])
    keyring.set_keyring(ChainerBackend())  # type: ignore[no-untyped-call]
    SystemKeyring().put("a", KEY)
    assert (len(clear.kept), len(kept.kept)) == (0, 1)


def test_one_that_forgets_is_noticed_at_once() -> None:
    keyring.set_keyring(Forgetful())
    with pytest.raises(LookupError):
        SystemKeyring().put("a", KEY)


def test_a_value_that_is_no_key_is_not_taken() -> None:
    kept = Kept()
    kept.kept["Sotto", "a"] = "not hexadecimal"
    keyring.set_keyring(kept)
    with pytest.raises(LookupError):
        SystemKeyring().get("a")


def test_nobody_waits_for_a_keyring_that_hangs() -> None:
    go_on = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.01, go_on.wait)
    go_on.set()
    assert within(30, lambda: 7) == 7
