"""Passwords as the relay keeps them, and the one answer that tells nothing."""

from __future__ import annotations

from unicodedata import normalize
from unittest import mock

import bcrypt
import pytest

from relay import logins, passwords
from tests.relay.actors import PASSWORD, World
from wire.codec import encode
from wire.errors import WireError
from wire.replies import Failed


@pytest.mark.parametrize("size", [71, 72, 73, 200])
def test_a60_no_two_long_passwords_are_the_same(world: World, size: int) -> None:
    password = "x" * size
    stored = passwords.hash_password(world.context, password)
    assert passwords.verify_password(world.context, password, stored)
    for other in (password + "y", password[:-1], password[:-1] + "y", password + "\0"):
        assert not passwords.verify_password(world.context, other, stored)


@pytest.mark.parametrize(("one", "other"), [("a\0b", "a\0c"), ("\0", "\0\0"), ("a\0", "a")])
def test_a60_nul_does_not_end_a_password(world: World, one: str, other: str) -> None:
    stored = passwords.hash_password(world.context, one)
    assert passwords.verify_password(world.context, one, stored)
    assert not passwords.verify_password(world.context, other, stored)


def test_the_same_password_typed_in_another_normal_form_is_right(world: World) -> None:
    stored = passwords.hash_password(world.context, normalize("NFC", "Überraschung1"))
    assert passwords.verify_password(world.context, normalize("NFD", "Überraschung1"), stored)


def test_a_hash_is_worth_nothing_without_the_pepper(world: World) -> None:
    stored = passwords.hash_password(world.context, PASSWORD)
    assert not bcrypt.checkpw(PASSWORD.encode(), stored.encode())


def test_a61_both_paths_take_exactly_one_bcrypt_and_answer_the_same_bytes(world: World) -> None:
    world.account("Alice")
    answers = []
    for name in ("Alice", "Nobody", "nobody@example.org", "not a name!"):
        with mock.patch.object(bcrypt, "checkpw", wraps=bcrypt.checkpw) as counted:
            found = world.run(lambda c, name=name: logins.find_account(c, name))
            stored = None if found is None else found.password_hash
            right = passwords.verify_password(world.context, "Wrong1password", stored)
        assert not right
        assert counted.call_count == 1
        assert counted.call_args.args[1][:7] == b"$2b$04$"
        error = logins.bad_credentials()
        assert isinstance(error, WireError)
        answers.append(encode(Failed(7, error.code.value, error.text, error.data)))
    assert len(set(answers)) == 1


def test_no_password_opens_the_account_that_does_not_exist(world: World) -> None:
    assert not passwords.verify_password(world.context, "", None)
