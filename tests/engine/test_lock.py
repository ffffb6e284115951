"""engine.lock: three ways to one key, each told apart from damage."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.lock import (
    Header,
    Label,
    LockChoice,
    Method,
    make_lock,
    open_lock,
    read_header,
    write_header,
)
from tests.engine.keystores import BrokenKeyStore, MemoryKeyStore
from wire.errors import Code, WireError

DATA_KEY = bytes(range(32))
ALL = [
    LockChoice(Method.PASSPHRASE, "pässe"),
    LockChoice(Method.KEYRING),
    LockChoice(Method.KEY_FILE),
]


def _make(folder: Path, choice: LockChoice, keyring: MemoryKeyStore) -> Header:
    label = Label("alice", "here")
    return make_lock(folder, choice, data_key=DATA_KEY, label=label, key_name="k", keyring=keyring)


def _code(folder: Path, header: Header, passphrase: str | None, keyring: MemoryKeyStore) -> Code:
    with pytest.raises(WireError) as caught:
        open_lock(folder, header, passphrase=passphrase, keyring=keyring)
    return caught.value.code


@pytest.mark.parametrize("choice", ALL, ids=lambda c: c.method.value)
def test_the_key_comes_back(tmp_path: Path, choice: LockChoice) -> None:
    keyring = MemoryKeyStore()
    write_header(tmp_path, _make(tmp_path, choice, keyring))
    header = read_header(tmp_path)
    key = open_lock(tmp_path, header, passphrase=choice.passphrase, keyring=keyring)
    assert key == DATA_KEY


@pytest.mark.parametrize("choice", ALL, ids=lambda c: c.method.value)
def test_any_changed_byte_of_the_wrapped_key_is_damage(tmp_path: Path, choice: LockChoice) -> None:
    keyring = MemoryKeyStore()
    header = _make(tmp_path, choice, keyring)
    for place in range(len(header.wrapped)):
        wrapped = bytearray(header.wrapped)
        wrapped[place] ^= 0x40
        damaged = msgspec.structs.replace(header, wrapped=bytes(wrapped))
        assert _code(tmp_path, damaged, choice.passphrase, keyring) is Code.STORE_DAMAGED
    short = msgspec.structs.replace(header, wrapped=header.wrapped[:-1])
    assert _code(tmp_path, short, choice.passphrase, keyring) is Code.STORE_DAMAGED


def test_another_method_in_the_header_opens_nothing(tmp_path: Path) -> None:
    keyring = MemoryKeyStore()
    header = _make(tmp_path, LockChoice(Method.KEY_FILE), keyring)
    keyring.put("", (tmp_path / "store.key").read_bytes())
    changed = msgspec.structs.replace(header, method=Method.KEYRING)
    assert _code(tmp_path, changed, None, keyring) is Code.STORE_DAMAGED


def test_a_keyring_that_is_silent_or_has_another_key(tmp_path: Path) -> None:
    header = _make(tmp_path, LockChoice(Method.KEYRING), MemoryKeyStore())
    assert _code(tmp_path, header, None, MemoryKeyStore()) is Code.LOCKED
    assert _code(tmp_path, header, None, BrokenKeyStore()) is Code.LOCKED
    other, short = MemoryKeyStore(), MemoryKeyStore()
    other.put("k", bytes(32))
    short.put("k", bytes(31))
    assert _code(tmp_path, header, None, other) is Code.LOCKED
    assert _code(tmp_path, header, None, short) is Code.STORE_DAMAGED


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", Code.STORE_DAMAGED), (bytes(33), Code.STORE_DAMAGED), (bytes(32), Code.LOCKED)],
)
def test_a_key_file_that_is_not_the_one(tmp_path: Path, content: bytes, code: Code) -> None:
    header = _make(tmp_path, LockChoice(Method.KEY_FILE), MemoryKeyStore())
    (tmp_path / "store.key").write_bytes(content)
    assert _code(tmp_path, header, None, MemoryKeyStore()) is code


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b'{"version": 2, "label": {"account": "a", "server": "s"}, "method": "keyfile",'
        b' "wrapped": ""}',
        b'{"version": 1, "label": {"account": "a", "server": "s"}, "method": "none",'
        b' "wrapped": ""}',
        b'{"version": 1, "label": {"account": "a", "server": "s"}, "method": "keyfile",'
        b' "wrapped": "", "more": 1}',
        b" " * 20_000,
    ],
)
def test_a_header_that_is_not_ours(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock.json").write_bytes(content)
    with pytest.raises(WireError) as caught:
        read_header(tmp_path)
    assert caught.value.code is Code.STORE_DAMAGED
