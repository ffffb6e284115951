"""storage.client.settings, key_packages and contacts: what is put is found, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from storage.client import contacts, key_packages
from storage.client.key_packages import OwnKeyPackage
from storage.client.settings import delete_setting, get_setting, put_setting
from tests.storage.client.stores import new_store


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with new_store(tmp_path) as store, store.transaction() as connection:
        yield connection


def test_settings(connection: Connection) -> None:
    assert get_setting(connection, "relay") is None
    put_setting(connection, "relay", b"first")
    put_setting(connection, "relay", b"\x00second")
    assert get_setting(connection, "relay") == b"\x00second"
    delete_setting(connection, "relay")
    delete_setting(connection, "relay")
    assert get_setting(connection, "relay") is None


def _package(n: int, *, last_resort: bool = False) -> OwnKeyPackage:
    return OwnKeyPackage(bytes([n]) * 32, b"private" * n, last_resort, created_at_ms=1000 - n)


def test_a_single_use_package_is_taken_once(connection: Connection) -> None:
    key_packages.add_key_package(connection, _package(1))
    assert key_packages.take_key_package(connection, bytes([1]) * 32) == _package(1)
    assert key_packages.take_key_package(connection, bytes([1]) * 32) is None
    assert key_packages.count_key_packages(connection) == 0


def test_the_last_resort_stays(connection: Connection) -> None:
    last = _package(9, last_resort=True)
    key_packages.add_key_package(connection, last)
    for _ in range(2):
        assert key_packages.take_key_package(connection, last.reference) == last
    assert key_packages.count_key_packages(connection) == 0
    key_packages.delete_key_package(connection, last.reference)
    assert key_packages.find_key_package(connection, last.reference) is None


def test_packages_are_listed_by_sort_oldest_first(connection: Connection) -> None:
    for n in (1, 2, 3):
        key_packages.add_key_package(connection, _package(n))
    key_packages.add_key_package(connection, _package(4, last_resort=True))
    single = key_packages.list_key_packages(connection, last_resort=False)
    assert [package.reference[0] for package in single] == [3, 2, 1]
    (last,) = key_packages.list_key_packages(connection, last_resort=True)
    assert last == _package(4, last_resort=True)
    with pytest.raises(IntegrityError):
        key_packages.add_key_package(connection, _package(1))


def test_a_package_shows_no_key() -> None:
    assert "private" not in repr(_package(1))


def _pin(connection: Connection, root: bytes, *, account: str = "bob") -> contacts.Contact:
    return contacts.pin_contact(
        connection,
        account=account,
        display="Bob",
        root_identity=root * 32,
        root_certificate=b"certificate " + root,
        now_ms=5,
    )


def test_the_first_root_is_pinned_and_a_second_one_changes_nothing(connection: Connection) -> None:
    assert contacts.find_contact(connection, "bob") is None
    first = _pin(connection, b"1")
    assert (first.root_identity, first.verified) == (b"1" * 32, False)
    assert _pin(connection, b"2") == first
    assert contacts.find_contact(connection, "bob") == first


def test_a_changed_root_waits_until_it_is_accepted(connection: Connection) -> None:
    _pin(connection, b"1")
    contacts.set_verified(connection, "bob", verified=True)
    contacts.set_changed_root(connection, "bob", b"another")
    waiting = contacts.find_contact(connection, "bob")
    assert waiting is not None
    assert (waiting.root_identity, waiting.verified) == (b"1" * 32, True)
    assert waiting.changed_root_certificate == b"another"
    contacts.accept_root(connection, "bob", root_identity=b"2" * 32, root_certificate=b"another")
    accepted = contacts.find_contact(connection, "bob")
    assert accepted is not None
    assert (accepted.root_identity, accepted.root_certificate) == (b"2" * 32, b"another")
    assert (accepted.verified, accepted.changed_root_certificate) == (False, None)


def test_one_contact_changes_and_the_others_stay(connection: Connection) -> None:
    _pin(connection, b"1")
    ann = _pin(connection, b"2", account="ann")
    contacts.set_verified(connection, "bob", verified=True)
    assert [(c.account, c.verified) for c in contacts.list_contacts(connection)] == [
        ("ann", False),
        ("bob", True),
    ]
    assert contacts.find_contact(connection, "ann") == ann
