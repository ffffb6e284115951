"""The table of guards fits the code and the tests; what it says is carried out by tests.guards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attack_list import REQUIRED, attack_tests
from tests.guards import ROOT, Edit, Guard, load, unnoticed, without

GUARDS, WITHOUT = load()
TESTS = {test for tests in attack_tests().values() for test in tests}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.about)
def test_each_guard_stands_where_the_table_says(guard: Guard) -> None:
    for edit in guard.edits:
        source = (ROOT / edit.file).read_text(encoding="utf-8")
        changed = without(edit, source)
        assert changed != source
        compile(changed, edit.file, "exec")
    assert set(guard.tests) <= TESTS


def test_every_promised_attack_has_a_test_that_is_known_to_notice() -> None:
    guarded = {test for guard in GUARDS for test in guard.tests}
    assert not guarded & WITHOUT.keys()
    assert WITHOUT.keys() <= TESTS
    tests = attack_tests()
    unproven = [n for n in sorted(REQUIRED) if not guarded & set(tests[n])]
    assert [n for n in unproven if not WITHOUT.keys() & set(tests[n])] == []


def test_a_test_that_notices_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "lock.py").write_text("def is_shut():\n    return True\n")
    tests = "from lock import is_shut\ndef test_a01_good(): assert is_shut()\n"
    (tmp_path / "test_lock.py").write_text(tests + "def test_a01_vain(): assert is_shut\n")
    names = ("test_lock.py::test_a01_good", "test_lock.py::test_a01_vain")
    guard = Guard("the lock", (Edit("lock.py", "return True", "return False"),), names)
    assert unnoticed(guard, tmp_path) == ["test_lock.py::test_a01_vain"]
    assert "return True" in (tmp_path / "lock.py").read_text()


def test_an_edit_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 times"):
        without(Edit("x.py", "pass", ""), "pass\npass\n")
