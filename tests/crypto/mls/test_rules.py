"""Each rule of the table has a check and a test that breaks it; and the list would notice."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mls_rules import CODE, TABLE, Row, faults, places, rows, witnesses

RULES, NUMBERS = rows(TABLE.read_text(encoding="utf-8"))
# Not written out: this is no test of a rule.
ONE, TEN, THREE, NINE = ("-".join(("VAL", *two)) for two in ("11", ("1", "10"), "31", "99"))
ROW = Row("1", "a rule", ONE, "", (), "")
CODE_OF_IT = 'def check():\n    raise PeerError("VAL-1-1")\n'


def test_every_rule_is_checked_and_broken_by_a_test() -> None:
    assert len(RULES) > 150
    assert len({row.who for row in RULES if row.is_checked}) > 90
    assert len(NUMBERS) > 40
    assert faults(RULES, NUMBERS, places(CODE), witnesses()) == []


def _folder(path: Path, name: str, **files: str) -> Path:
    folder = path / name
    folder.mkdir()
    for file, source in files.items():
        (folder / f"{file}.py").write_text(source)
    return folder


BREAKING = {
    "by itself": 'def test_x():\n    assert refused.code == "VAL-1-1"\n',
    "in a table": 'TABLE = ["VAL-1-1"]\ndef test_x():\n    assert refused.code in TABLE\n',
    "by a helper": (
        "def refused():\n    return caught.value.code\n"
        'def test_x():\n    assert refused() == "VAL-1-1"\n'
    ),
    "by pytest": 'def test_x():\n    with raises(PeerError, match="VAL-1-1"): pass\n',
}
NOT_BREAKING = {
    "a comment": "def test_x():\n    assert refused.code  # VAL-1-1\n",
    "a docstring": 'def test_x():\n    """VAL-1-1"""\n    assert refused.code\n',
    "unused": 'TABLE = ["VAL-1-1"]\ndef test_x():\n    assert refused.code\n',
    "not looked at": 'def test_x():\n    assert "VAL-1-1"\n',
    "another": 'def test_x():\n    assert refused.code == "VAL-1-10"\n',
    "no test": 'def helper():\n    assert refused.code == "VAL-1-1"\n',
}


@pytest.mark.parametrize("source", BREAKING.values(), ids=BREAKING)
def test_a_test_that_looks_for_the_code_counts(source: str, tmp_path: Path) -> None:
    code = places(_folder(tmp_path, "mls", a=CODE_OF_IT))
    found = witnesses(_folder(tmp_path, "tests", test_a=source))
    assert faults([ROW], [("ValSem1", (ONE,))], code, found) == []


@pytest.mark.parametrize("source", NOT_BREAKING.values(), ids=NOT_BREAKING)
def test_what_only_mentions_the_code_does_not_count(source: str, tmp_path: Path) -> None:
    code = places(_folder(tmp_path, "mls", a=CODE_OF_IT, b='x = "VAL-1-10"\n'))
    found = witnesses(_folder(tmp_path, "tests", test_a=source))
    said = faults([ROW, replace(ROW, who=TEN)], [], code, found)
    assert "1 a rule (VAL-1-1): no test" in said


def test_a_helper_of_another_file_looks_but_names_nothing(tmp_path: Path) -> None:
    helper = 'def refused():\n    assert "VAL-1-1"\n    return caught.value.code\n'
    source = 'from tests.help import refused\ndef test_x():\n    assert refused() == "VAL-1-1"\n'
    code = places(_folder(tmp_path, "mls", a=CODE_OF_IT))
    folder = _folder(tmp_path, "tests", help=helper, test_a=source)
    assert faults([ROW], [], code, witnesses(folder)) == []
    (folder / "test_a.py").write_text(source.replace(ONE, NINE))
    assert len(faults([ROW], [], code, witnesses(folder))) == 2


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    code = places(_folder(tmp_path, "mls", a=CODE_OF_IT, b='"""VAL-2-1"""\n# VAL-3-1\n'))
    assert code == {ONE: ["mls/a.py:2"], THREE: ["mls/b.py:2"]}
    found = witnesses(_folder(tmp_path, "tests", test_a=BREAKING["by itself"]))
    named = Row("3", "a name", THREE, "named", ("test_x", "test_gone"), "")
    nothing = Row("4", "whose", "caller", "", (), "")
    said = faults([named, nothing], [("ValSem1", ()), ("ValSem2", (NINE,))], code, found)
    assert said == [
        "VAL-1-1 at mls/a.py:2: in no row",
        "3 a name (VAL-3-1): nothing in the code",
        "3 a name (VAL-3-1): no test",
        "3 a name (VAL-3-1): test_x does not look for named",
        "3 a name (VAL-3-1): no test is called test_gone",
        "4 whose (caller): neither a test nor a reason",
        "ValSem1: ? is in no row",
        "ValSem2: VAL-9-9 is in no row",
    ]
