"""Each validation rule has an id, and each id a test that breaks the rule."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[3]
_RULE = re.compile(r"VAL-[0-9.]+-[0-9]+")


def _ids(folder: Path) -> set[str]:
    return {rule for path in folder.glob("*.py") for rule in _RULE.findall(path.read_text())}


def test_every_rule_is_broken_by_a_test() -> None:
    in_code, in_tests = _ids(_ROOT / "crypto" / "mls"), _ids(Path(__file__).parent)
    assert len(in_code) > 60
    assert in_code - in_tests == set()
    assert in_tests - in_code == set()
