"""The list of attacks that have a test: complete, and able to notice when it is not."""

from __future__ import annotations

from pathlib import Path

from tests.attack_list import ATTACKS, REQUIRED, attack_tests


def test_every_attack_that_is_promised_has_a_test() -> None:
    assert not sorted(REQUIRED - set(attack_tests()))


def test_no_test_has_a_number_that_is_none_of_ours() -> None:
    assert set(attack_tests()) <= set(ATTACKS)


def test_names_alone_count(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    source = "def test_a07_x(): ...\ndef test_a8_y(): ...\n# def test_a09_z(): ...\n"
    (folder / "test_some.py").write_text(source)
    assert attack_tests(folder) == {7: ["tests/test_some.py::test_a07_x"]}
