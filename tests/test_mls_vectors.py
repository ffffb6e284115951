"""The runner of vectors: how it tells formats, and what it says of what it cannot check."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests import mls_vectors

RIGHT = {"vlbytes_header": "25", "length": 37}
ENDS = (".json.gz", ".json")
WRONG = {"vlbytes_header": "25", "length": 38}


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def write(folder: Path, name: str, content: Any) -> None:
    data = json.dumps(content).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_a_wrong_vector_fails() -> None:
    result = mls_vectors.run([RIGHT, WRONG])
    assert (result.passed, result.failures.total()) == (1, 1)
    assert next(result.lines("x.json")) == "x.json: passed 1, failed 1, skipped 0"


def test_a_broken_case_is_a_failure_and_hides_no_other() -> None:
    broken = {"vlbytes_header": None, "length": [{}]}
    result = mls_vectors.run([broken, RIGHT, {"welcome": 1, "key_package": 2, "epochs": 3}])
    assert (result.passed, result.failures.total()) == (1, 2)


def test_what_cannot_be_checked_is_skipped_with_its_reason() -> None:
    other_suite = {"cipher_suite": 0x7777, "psks": [], "psk_secret": ""}
    assert mls_vectors.run([other_suite]).skips == {"cipher suite 30583 is not built": 1}
    unknown = mls_vectors.run([{}, {"length": 3}, 5, None, []])
    assert unknown.skips == {"its fields are of no known format": 5}
    assert mls_vectors.run([]).skips == {"there is no case in it": 1}


def test_a_file_is_read_whatever_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "below").mkdir()
    for name in ("one.json", "two.gz", "three.json.gz", "four", "below/five.json"):
        write(tmp_path, name, [RIGHT])
    write(tmp_path, "alone.json", RIGHT)
    assert mls_vectors.main([str(tmp_path)]) == 0
    names = ("alone.json", "below/five.json", "four", "one.json", "three.json.gz", "two.gz")
    assert lines(capsys) == [f"{name}: passed 1, failed 0, skipped 0" for name in names]
    assert mls_vectors.main([str(tmp_path / "four")]) == 0
    assert lines(capsys) == ["four: passed 1, failed 0, skipped 0"]


DAMAGED = {
    "nothing": b"",
    "cut": b'{"a": ',
    "no text": b"\xff\xfe\x00",
    "too deep": b"[" * 100_000,
    "cut gzip": gzip.compress(b"[{}]")[:-9],
    "no gzip": b"\x1f\x8b",
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_a_failure_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: bytes
) -> None:
    (tmp_path / "damaged.json").write_bytes(damaged)
    write(tmp_path, "right.json", [RIGHT])
    assert mls_vectors.main([str(tmp_path)]) == 1
    first, reason, last = lines(capsys)
    assert first == "damaged.json: passed 0, failed 1, skipped 0"
    assert reason.startswith("    failed 1: not JSON: ")
    assert last == "right.json: passed 1, failed 0, skipped 0"


def test_a_file_that_is_no_vector_is_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("# Vectors")
    write(tmp_path, "other.json", {"name": "other"})
    write(tmp_path, "right.json", [RIGHT])
    assert mls_vectors.main([str(tmp_path)]) == 0
    assert [line for line in lines(capsys) if "passed" in line] == [
        "README.md: passed 0, failed 0, skipped 1",
        "other.json: passed 0, failed 0, skipped 1",
        "right.json: passed 1, failed 0, skipped 0",
    ]


def test_nothing_checked_is_no_success(tmp_path: Path) -> None:
    assert mls_vectors.main([str(tmp_path)]) == 1
    write(tmp_path, "other.json", [{}])
    assert mls_vectors.main([str(tmp_path)]) == 1


def test_every_format_is_told_by_its_own_fields() -> None:
    for known in mls_vectors.FORMATS:
        assert mls_vectors.format_of(dict.fromkeys(known.fields)) is known


def official(name: str, place: int = -1) -> dict[str, Any]:
    folder = mls_vectors.directory()
    path = next(
        (folder / f"{name}{end}" for end in ENDS if (folder / f"{name}{end}").exists()), None
    )
    if path is None:
        pytest.skip(f"no {name} vectors in {folder}: set MLS_VECTORS")
    return dict(mls_vectors.load(path)[place])


def test_a_passive_client_may_lack_what_is_empty() -> None:
    case = official("passive-client-welcome", 0)
    assert not case["external_psks"]
    assert case["ratchet_tree"] is None
    del case["external_psks"], case["ratchet_tree"]
    assert mls_vectors.run([case]).passed == 1


def test_a_passive_client_may_show_its_key_package_bare() -> None:
    case = official("passive-client-welcome")
    case["key_package"] = case["key_package"][8:]
    assert mls_vectors.run([case]).passed == 1


def test_a_passive_client_is_followed_to_the_end() -> None:
    case = official("passive-client-handling-commit")
    assert len(case["epochs"]) > 1
    case["epochs"][-1]["epoch_authenticator"] = "00"
    assert mls_vectors.run([case]).failures.total() == 1


def test_an_operation_on_a_tree_may_lack_suite_and_hashes() -> None:
    case = official("tree-operations")
    for name in ("cipher_suite", "tree_hash_before", "tree_hash_after"):
        del case[name]
    assert mls_vectors.run([case]).passed == 1
    case["tree_after"] = case["tree_before"]
    assert mls_vectors.run([case]).failures.total() == 1
