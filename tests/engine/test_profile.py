"""engine.profile: whose folder, which accounts, who holds them; attacks 51 and 72."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import profile as profile_module
from engine.lock import KEY_FILE_WARNING, Label, LockChoice, Method
from engine.profile import Profile
from storage.client.settings import get_setting, put_setting
from tests.engine.keystores import BrokenKeyStore, MemoryKeyStore
from wire.errors import Code, WireError

ALICE = Label("alice", "relay.example:5000")
PASSPHRASE = LockChoice(Method.PASSPHRASE, "correct horse")
KEYRING = LockChoice(Method.KEYRING)
KEY_FILE = LockChoice(Method.KEY_FILE)


def _profile(folder: Path, keyring: MemoryKeyStore | None = None) -> Profile:
    return Profile(folder / "profile", keyring=keyring or MemoryKeyStore())


def _refused(make: Callable[[], Any]) -> Code:
    with pytest.raises(WireError) as caught:
        make()
    return caught.value.code


def _refused_later(work: Coroutine[Any, Any, Any]) -> Code:
    return _refused(lambda: asyncio.run(work))


async def _made(profile: Profile, choice: LockChoice, label: Label = ALICE) -> str:
    """Make an account with one row in its store, close it, and return its id."""
    account = await profile.create_account(label, choice)
    await account.store.run(lambda connection: put_setting(connection, "a", b"kept"))
    await account.release()
    return account.id


async def _read(profile: Profile, account_id: str, passphrase: str | None = None) -> bytes | None:
    account = await profile.open_account(account_id, passphrase=passphrase)
    try:
        return await account.store.query(lambda connection: get_setting(connection, "a"))
    finally:
        await account.release()


@pytest.mark.parametrize("choice", [PASSPHRASE, KEYRING, KEY_FILE], ids=lambda c: c.method.value)
def test_an_account_is_there_after_it_was_closed(tmp_path: Path, choice: LockChoice) -> None:
    async def main() -> None:
        keyring = MemoryKeyStore()
        account_id = await _made(_profile(tmp_path, keyring), choice)
        profile = _profile(tmp_path, keyring)
        (entry,) = profile.list_accounts()
        assert (entry.id, entry.label, entry.method) == (account_id, ALICE, choice.method)
        assert not entry.in_use
        assert await _read(profile, account_id, choice.passphrase) == b"kept"

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
@pytest.mark.parametrize("choice", [PASSPHRASE, KEY_FILE], ids=lambda c: c.method.value)
def test_every_file_is_for_its_owner_alone(tmp_path: Path, choice: LockChoice) -> None:
    before = os.umask(0)
    try:
        profile = _profile(tmp_path)
        asyncio.run(_made(profile, choice))
        profile.remember_relay("relay.example:5000", "fingerprint")
    finally:
        os.umask(before)
    for path in [profile.folder, *profile.folder.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path.name


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
def test_rights_that_are_too_wide_are_taken_back(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    account_id = asyncio.run(_made(profile, KEY_FILE))
    folder = profile.folder / "accounts" / account_id
    profile.folder.chmod(0o755)
    for name in ("lock.json", "store.key"):
        (folder / name).chmod(0o644)
    assert asyncio.run(_read(_profile(tmp_path), account_id)) == b"kept"
    wide = [profile.folder, folder / "lock.json", folder / "store.key"]
    assert [stat.S_IMODE(p.stat().st_mode) for p in wide] == [0o700, 0o600, 0o600]


@pytest.mark.skipif(sys.platform == "win32", reason="no such rights")
def test_a_folder_with_other_things_in_it_keeps_its_rights(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "letter.txt").write_text("dear")
    Profile(home, keyring=MemoryKeyStore())
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert stat.S_IMODE((home / "accounts").stat().st_mode) == 0o700


def test_a51_a_copy_of_the_folder_opens_nothing(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    ids = [asyncio.run(_made(profile, choice)) for choice in (PASSPHRASE, KEYRING)]
    shutil.copytree(profile.folder, tmp_path / "stolen")
    stolen = Profile(tmp_path / "stolen", keyring=MemoryKeyStore())
    assert _refused_later(_read(stolen, ids[0])) is Code.LOCKED
    assert _refused_later(_read(stolen, ids[0], "correct horse ")) is Code.BAD_PASSPHRASE
    assert _refused_later(_read(stolen, ids[1])) is Code.LOCKED
    raw = b"".join(p.read_bytes() for p in stolen.folder.rglob("*") if p.is_file())
    assert b"kept" not in raw
    assert not list(stolen.folder.rglob("*.key"))


def test_a51_a_key_file_is_made_only_when_chosen_and_said_plainly(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    account_id = asyncio.run(_made(profile, KEY_FILE))
    (entry,) = profile.list_accounts()
    assert entry.method is Method.KEY_FILE  # so a face can say it at every start
    assert "Whoever gets a copy of the folder reads everything" in KEY_FILE_WARNING
    shutil.copytree(profile.folder, tmp_path / "stolen")
    stolen = Profile(tmp_path / "stolen", keyring=MemoryKeyStore())
    assert asyncio.run(_read(stolen, account_id)) == b"kept"  # which is what the warning says
    (tmp_path / "stolen" / "accounts" / account_id / "store.key").unlink()
    assert _refused_later(_read(stolen, account_id)) is Code.LOCKED


def test_a51_a_keyring_that_fails_leaves_no_key_file(tmp_path: Path) -> None:
    profile = _profile(tmp_path, BrokenKeyStore())
    assert _refused_later(profile.create_account(ALICE, KEYRING)) is Code.UNAVAILABLE
    assert profile.list_accounts() == []
    assert list((profile.folder / "accounts").iterdir()) == []


def test_another_window_is_offered_the_other_accounts(tmp_path: Path) -> None:
    async def main() -> None:
        first, second = _profile(tmp_path), _profile(tmp_path)
        held = await first.create_account(ALICE, KEY_FILE)
        bob = await _made(second, KEY_FILE, Label("bob", "relay.example:5000"))
        assert [(e.label, e.in_use) for e in second.list_accounts()] == [
            (ALICE, True),
            (Label("bob", "relay.example:5000"), False),
        ]
        with pytest.raises(WireError) as caught:
            await second.open_account(held.id)
        assert caught.value.code is Code.PROFILE_IN_USE
        assert await _read(second, bob) == b"kept"
        await held.release()
        await held.release()
        await (await second.open_account(held.id)).release()

    asyncio.run(main())


HOLD = """
import asyncio, sys
from pathlib import Path
from engine.profile import Profile
async def main():
    await Profile(Path(sys.argv[1])).open_account(sys.argv[2])
    print("holding", flush=True)
    sys.stdin.read()
asyncio.run(main())
"""


def test_another_process_holds_it_until_it_dies(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    account_id = asyncio.run(_made(profile, KEY_FILE))
    command = [sys.executable, "-c", HOLD, str(profile.folder), account_id]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"holding\n"
        assert [entry.in_use for entry in profile.list_accounts()] == [True]
        assert _refused_later(profile.open_account(account_id)) is Code.PROFILE_IN_USE
        child.kill()
    assert asyncio.run(_read(profile, account_id)) == b"kept"


def test_a_wrong_passphrase_and_damage_are_told_apart(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    account_id = asyncio.run(_made(profile, PASSPHRASE))
    folder = profile.folder / "accounts" / account_id
    assert _refused_later(_read(profile, account_id)) is Code.LOCKED
    assert _refused_later(_read(profile, account_id, "wrong")) is Code.BAD_PASSPHRASE
    store = (folder / "store.db").read_bytes()
    (folder / "store.db").write_bytes(store[:100] + b"\0" + store[101:])
    assert _refused_later(_read(profile, account_id, "wrong")) is Code.BAD_PASSPHRASE
    assert _refused_later(_read(profile, account_id, "correct horse")) is Code.STORE_DAMAGED
    (folder / "store.db").write_bytes(store)
    assert asyncio.run(_read(profile, account_id, "correct horse")) == b"kept"
    (folder / "lock.json").write_bytes(b"{")
    assert _refused_later(_read(profile, account_id, "correct horse")) is Code.STORE_DAMAGED


def test_a_damaged_account_is_still_listed(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    damaged = asyncio.run(_made(profile, KEY_FILE))
    whole = asyncio.run(_made(profile, KEY_FILE))
    (profile.folder / "accounts" / damaged / "lock.json").write_bytes(b"x" * 100_000)
    entries = profile.list_accounts()
    assert [(entry.id, entry.label) for entry in entries] == [(whole, ALICE), (damaged, None)]


def test_a_crash_while_making_an_account_leaves_none(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    account_id = asyncio.run(_made(profile, KEY_FILE))
    (profile.folder / "accounts" / account_id / "lock.json").unlink()  # it is written last
    assert profile.list_accounts() == []
    assert _refused_later(profile.open_account(account_id)) is Code.BAD_REQUEST


def test_relabelling_and_discarding(tmp_path: Path) -> None:
    async def main() -> None:
        keyring = MemoryKeyStore()
        profile = _profile(tmp_path, keyring)
        account = await profile.create_account(ALICE, KEYRING)
        account.relabel(Label("alice", "elsewhere:1"))
        (entry,) = profile.list_accounts()
        assert (entry.label, account.label) == (Label("alice", "elsewhere:1"),) * 2
        assert list(keyring.keys) == [account.id]
        await profile.discard(account)
        assert (profile.list_accounts(), keyring.keys) == ([], {})
        assert list((profile.folder / "accounts").iterdir()) == []

    asyncio.run(main())


@pytest.mark.parametrize("passphrase", [None, "", "x" * 1025])
def test_a_passphrase_that_cannot_be_used(tmp_path: Path, passphrase: str | None) -> None:
    profile = _profile(tmp_path)
    work = profile.create_account(ALICE, LockChoice(Method.PASSPHRASE, passphrase))
    assert _refused_later(work) is Code.BAD_PASSPHRASE
    assert profile.list_accounts() == []


def test_a_choice_shows_no_passphrase() -> None:
    assert "horse" not in repr(PASSPHRASE)


def _hostile_names() -> list[str]:
    parts = ["..", "/etc", "\\", "\0", "C:", "~", ".", "", "a" * 5000, "accounts", "\u202e", "‥"]
    parts += ["0" * 31, "0" * 33, "G" * 32, "A" * 32, "٠" * 32, "0" * 31 + "\n"]
    joined = [first + sign + second for first in parts for sign in "/\\" for second in parts[:6]]
    return [*parts, *joined][:200]


def test_a72_no_name_from_outside_becomes_a_path(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "lock.json").write_bytes(b"{}")
    names = [*_hostile_names(), "../../outside", str(outside)]
    assert len(names) >= 200
    for name in names:
        assert _refused_later(profile.open_account(name)) is Code.BAD_REQUEST
    before = sorted(p.name for p in tmp_path.rglob("*"))
    assert before == ["accounts", "lock.json", "outside", "profile", "profile.lock"]


def test_a72_labels_and_relays_are_data_only(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    names = [name for name in _hostile_names() if len(name) < 500]
    for name in names[:20]:
        asyncio.run(_made(profile, KEY_FILE, Label(name, name)))
    for name in names:
        profile.remember_relay(name, "fingerprint of " + name)
    assert all(profile.known_relay(name) == "fingerprint of " + name for name in names)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["profile"]
    found = sorted(p.name for p in profile.folder.iterdir())
    assert found == ["accounts", "known_relays.json", "profile.lock"]
    ids = [p.name for p in (profile.folder / "accounts").iterdir()]
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in ids)


def test_known_relays(tmp_path: Path) -> None:
    profile = _profile(tmp_path)
    assert profile.known_relay("a:1") is None
    profile.remember_relay("a:1", "x")
    profile.remember_relay("b:1", "y")
    profile.remember_relay("a:1", "z")
    again = _profile(tmp_path)
    assert (again.known_relay("a:1"), again.known_relay("b:1")) == ("z", "y")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff", b'{"a": "b"', b"x" * 2**21])
def test_damaged_relay_pins_are_not_forgotten_silently(tmp_path: Path, content: bytes) -> None:
    profile = _profile(tmp_path)
    (profile.folder / "known_relays.json").write_bytes(content)
    assert _refused(lambda: profile.known_relay("a")) is Code.STORE_DAMAGED
    assert _refused(lambda: profile.remember_relay("a", "b")) is Code.STORE_DAMAGED
    assert (profile.folder / "known_relays.json").read_bytes() == content


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("not a folder")
    assert _refused(lambda: _profile(tmp_path)) is Code.BAD_REQUEST
    assert _refused(lambda: Profile(tmp_path / "profile" / "deeper")) is Code.BAD_REQUEST


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "sotto-test", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a read-only disk needs the right to mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_cannot_be_written(read_only: Path) -> None:
    with pytest.raises(WireError) as caught:
        Profile(read_only / "profile")
    assert caught.value.code is Code.BAD_REQUEST
    assert str(read_only) in caught.value.text
    assert "--profile" in caught.value.text


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs another owner")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    os.chown(tmp_path / "profile", 12345, 12345)
    assert _refused(lambda: _profile(tmp_path)) is Code.BAD_REQUEST


def test_the_default_is_the_platforms_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = profile_module.default_folder()
    assert folder.name == "profile"
    assert sys.platform != "linux" or folder == tmp_path / "sotto" / "profile"


def test_the_lock_file_holds_no_key(tmp_path: Path) -> None:
    keyring = MemoryKeyStore()
    profile = _profile(tmp_path, keyring)
    account_id = asyncio.run(_made(profile, KEYRING))
    content = (profile.folder / "accounts" / account_id / "lock.json").read_bytes()
    assert sorted(json.loads(content)) == ["key_name", "label", "method", "version", "wrapped"]
    assert keyring.keys[account_id].hex().encode() not in content
