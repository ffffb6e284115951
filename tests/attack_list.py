"""`python -m tests.attack_list`: which of the numbered attacks have a test, by the tests' names.

Never runs a test. Exit status 1 when one of those that Sotto promises to withstand has none.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
REQUIRED = frozenset(
    {1, 2, 5, 9, 11, 12, 15, 17, 19, 24, 31, 32, 41, 44, 45, 51, 60, 61, 64, 65, 70, 72, 75, 77, 82}
    | {86, 87, 91}
)
ATTACKS = range(1, 94)
_NAME = re.compile(r"test_a(\d\d)_\w+")


def attack_tests(folder: Path = TESTS) -> dict[int, list[str]]:
    """Return the node ids (without parameters) of attack tests by number."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        where = path.relative_to(folder.parent).as_posix()
        for name in _functions(ast.parse(path.read_text(encoding="utf-8"))):
            match = _NAME.fullmatch(name.rpartition("::")[2])
            if match:
                found[int(match[1])].append(f"{where}::{name}")
    return dict(found)


def _functions(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    for child in node.body:
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield prefix + child.name
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}::")


def main() -> int:
    """Print a line for each number; return the exit status."""
    found = attack_tests()
    for number in ATTACKS:
        tests = found.get(number, [])
        if tests or number in REQUIRED:
            print(f"a{number:02}  {len(tests):3}  {', '.join(tests[:2]) or 'MISSING'}")
    missing = sorted(REQUIRED - set(found))
    print(f"{len(found)} attacks have a test, {sum(map(len, found.values()))} tests in all.")
    if missing:
        print("Without one:", ", ".join(f"a{number:02}" for number in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
