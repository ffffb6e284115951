"""engine.private_files and engine.filelock: whole or not at all, and one holder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from engine.filelock import FileLock
from engine.private_files import folder_errors, read_private, write_private
from wire.errors import Code, WireError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_private(path, b"first")
    write_private(path, b"second")
    assert read_private(path, max_bytes=6) == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"old")
    with pytest.raises(OSError, match="a"):
        write_private(tmp_path / "a", b"new")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b"]


def test_a_file_that_is_too_long_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"seven b")
    with pytest.raises(WireError) as caught:
        read_private(tmp_path / "a", max_bytes=6)
    assert caught.value.code is Code.STORE_DAMAGED


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, Code.DISK_FULL),
        (errno.EDQUOT, Code.DISK_FULL),
        (errno.EROFS, Code.BAD_REQUEST),
        (errno.EACCES, Code.BAD_REQUEST),
        (errno.EIO, Code.UNAVAILABLE),
    ],
)
def test_what_the_disk_refuses_has_a_code(tmp_path: Path, number: int, code: Code) -> None:
    with pytest.raises(WireError) as caught, folder_errors(tmp_path):
        raise OSError(number, "no")
    assert caught.value.code is code


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    lock = FileLock.acquire(tmp_path / "lock")
    assert lock is not None
    assert FileLock.acquire(tmp_path / "lock") is None
    lock.release()
    lock.release()
    again = FileLock.acquire(tmp_path / "lock", wait=True)
    assert again is not None
    again.release()
