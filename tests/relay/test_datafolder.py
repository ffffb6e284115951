import os
from pathlib import Path

import pytest

from relay import datafolder
from relay.errors import StartError


def fixed(count: int) -> bytes:
    return bytes(range(count))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return datafolder.open_folder(tmp_path / "deep" / "data")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_and_its_files_are_for_their_owner_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        datafolder.load_secrets(folder, fixed, is_new=True)
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {"relay.key", "pepper", "fingerprint"}


def test_the_secrets_stay_what_they_are(folder: Path) -> None:
    made = datafolder.load_secrets(folder, os.urandom, is_new=True)
    again = datafolder.load_secrets(folder, os.urandom, is_new=False)
    assert made.signing_key.seed == again.signing_key.seed
    assert made.pepper == again.pepper
    assert len({made.pepper, made.signing_key.seed}) == 2


def test_a91_a_repr_shows_no_secret(folder: Path) -> None:
    secrets = datafolder.load_secrets(folder, fixed, is_new=True)
    assert "1f" not in repr(secrets)
    assert repr(fixed(32)) not in repr(secrets)


@pytest.mark.parametrize("name", ["relay.key", "pepper"])
def test_no_new_key_is_made_beside_a_database(folder: Path, name: str) -> None:
    datafolder.load_secrets(folder, os.urandom, is_new=True)
    (folder / name).unlink()
    with pytest.raises(StartError, match="missing beside the database"):
        datafolder.load_secrets(folder, os.urandom, is_new=False)
    assert not (folder / name).exists()


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 32, b"00" * 31, b"00" * 33, b"\xff" * 32])
def test_a_damaged_key_is_not_replaced(folder: Path, content: bytes) -> None:
    datafolder.write_file(folder / "relay.key", content)
    with pytest.raises(StartError, match="damaged"):
        datafolder.load_secrets(folder, os.urandom, is_new=True)
    assert (folder / "relay.key").read_bytes() == content


@pytest.mark.parametrize("permissions", [0o710, 0o701, 0o770, 0o755])
def test_a87_a_folder_that_others_may_enter_is_refused(folder: Path, permissions: int) -> None:
    folder.chmod(permissions)
    with pytest.raises(StartError, match="chmod 700"):
        datafolder.open_folder(folder)


@pytest.mark.parametrize("name", ["relay.key", "pepper", "tls.key", "relay.db"])
@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o620])
def test_a87_a_file_that_others_may_read_is_refused(
    folder: Path, name: str, permissions: int
) -> None:
    (folder / name).write_bytes(b"x")
    (folder / name).chmod(permissions)
    with pytest.raises(StartError, match="chmod 600"):
        datafolder.open_folder(folder)


@pytest.mark.parametrize("name", ["relay.key", "pepper", "relay.db"])
def test_a87_a_link_in_a_files_place_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(b"00" * 32)
    target.chmod(0o600)
    (folder / name).symlink_to(target)
    with pytest.raises(StartError, match="not a plain file"):
        datafolder.open_folder(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("what", ["folder", "relay.key"])
def test_a87_what_belongs_to_another_user_is_refused(folder: Path, what: str) -> None:
    datafolder.load_secrets(folder, os.urandom, is_new=True)
    os.chown(folder if what == "folder" else folder / what, 65534, 65534)
    with pytest.raises(StartError, match="belongs to another user"):
        datafolder.open_folder(folder)


def test_a87_root_is_warned_on_loopback_and_refused_beyond() -> None:
    def check(uid: int, *, loopback: bool, allowed: bool = False) -> str | None:
        return datafolder.check_root(is_loopback=loopback, is_allowed=allowed, uid=uid)

    assert "root" in (check(0, loopback=True) or "")
    with pytest.raises(StartError, match="--allow-root"):
        check(0, loopback=False)
    assert check(0, loopback=False, allowed=True) is None
    assert check(1000, loopback=False) is None


def test_a87_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(StartError, match="not a folder"):
        datafolder.open_folder(tmp_path / "data")


def test_a90_one_relay_at_a_time_has_the_folder(folder: Path) -> None:
    held = datafolder.lock(folder)
    with pytest.raises(StartError, match="already running"):
        datafolder.lock(folder)
    held.release()
    datafolder.lock(folder).release()


def test_a_file_is_written_whole_or_not_at_all(folder: Path) -> None:
    path = folder / "fingerprint"
    datafolder.write_file(path, b"old")
    (folder / "fingerprint.part").write_bytes(b"a crash in the middle left this")
    datafolder.write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in folder.iterdir()] == ["fingerprint"]
