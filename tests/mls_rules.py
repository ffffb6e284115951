"""`python -m tests.mls_rules`: each rule of RFC 9420, where it is checked, what tests break it.

Reads docs/mls-rules.md, the code and the tests; never runs a test. A test breaks a rule when it
names the refusal's code in a string (not in a comment or docstring; by itself, or in a table that
it uses) and looks at the code of what was raised. Exit status 1 when anything is missing.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "mls-rules.md"
CODE = ROOT / "crypto"
TESTS = ROOT / "tests"
RULE = re.compile(r"VAL-[0-9.]+-[0-9]+")
_OTHERS = frozenset({"sender", "caller", "none"})
# Ways in which a test looks at the code of a refusal: the attribute, or pytest's own `match`.
_LOOKS = frozenset({"code", "match"})


@dataclass(frozen=True)
class Row:
    """A rule: `who` is its id, "sender", "caller" or "none"."""

    section: str
    rule: str
    who: str
    refused_as: str
    tests: tuple[str, ...]
    reason: str

    @property
    def is_checked(self) -> bool:
        """Whether the code refuses what breaks it."""
        return self.who not in _OTHERS

    @property
    def code(self) -> str:
        """The code of the refusal."""
        return self.refused_as or self.who


@dataclass(frozen=True)
class Witness:
    """A test function: where it is, the strings that it names, whether it looks at a code."""

    where: str
    strings: frozenset[str]
    looks: bool


def rows(text: str) -> tuple[list[Row], list[tuple[str, tuple[str, ...]]]]:
    """The rules, and which rules cover each number of the second table."""
    rules: list[Row] = []
    numbers: list[tuple[str, tuple[str, ...]]] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if len(cells) == 5 and cells[0][:1].isdigit():
            section, rule, who, refused_as, last = cells
            names = tuple(last.split()) if last.startswith("test_") else ()
            rules.append(Row(section, rule, who, refused_as, names, "" if names else last))
        elif len(cells) == 3 and cells[0].startswith("ValSem"):
            numbers.append((cells[0], tuple(cells[2].split())))
    return rules, numbers


def places(folder: Path) -> dict[str, list[str]]:
    """Where each code is raised, or an id stands in a comment beside what is: file and line."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        where = path.relative_to(folder.parent).as_posix()
        named = [(node.lineno, node.value) for node in _literals(ast.parse(source))]
        for number, line in enumerate(source.splitlines(), 1):
            named += [(number, rule) for rule in RULE.findall(line.partition("#")[2])]
        for number, code in sorted(set(named)):
            found[code].append(f"{where}:{number}")
    return dict(found)


# Tests: what a function names, with all that it uses of its own module and of other test modules.


@dataclass(frozen=True)
class _Piece:
    """A top-level definition of a test module: what it names, looks at and uses."""

    strings: frozenset[str]
    looks: bool
    used: tuple[str, ...]
    is_test: bool


@dataclass(frozen=True)
class _Module:
    """The pieces of a test module by name, and what it takes from other test modules."""

    pieces: dict[str, _Piece]
    imported: dict[str, tuple[str, str]]


def _module(tree: ast.Module) -> _Module:
    pieces: dict[str, _Piece] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            imported.update((a.asname or a.name, (node.module or "", a.name)) for a in node.names)
            continue
        piece = _piece(node)
        pieces.update((name, piece) for name in _defined(node))
    return _Module(pieces, imported)


def _defined(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        inner = (name for target in targets for name in ast.walk(target))
        yield from (name.id for name in inner if isinstance(name, ast.Name))


def _piece(node: ast.stmt) -> _Piece:
    strings = frozenset(literal.value for literal in _literals(node))
    used = sorted({inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)})
    is_test = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    is_test = is_test and node.name.startswith("test_")
    return _Piece(strings, _looks_at_a_code(node), tuple(used), is_test)


def _docstrings(node: ast.AST) -> Iterator[ast.AST]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant):
            yield inner.value


def _literals(node: ast.AST) -> Iterator[ast.Constant]:
    """The strings in a piece of source that are no docstrings."""
    skipped = set(map(id, _docstrings(node)))
    for inner in ast.walk(node):
        is_string = isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        if is_string and id(inner) not in skipped:
            yield inner


def _looks_at_a_code(node: ast.AST) -> bool:
    return any(
        (isinstance(inner, ast.Attribute) and inner.attr in _LOOKS)
        or (isinstance(inner, ast.keyword) and inner.arg in _LOOKS)
        for inner in ast.walk(node)
    )


def _witness(where: str, modules: Mapping[str, _Module], module: str, name: str) -> Witness:
    strings: set[str] = set()
    looks = False
    seen: set[tuple[str, str]] = set()
    waiting = [(module, name)]
    while waiting:
        place = waiting.pop()
        if place in seen or place[0] not in modules:
            continue
        seen.add(place)
        inside = modules[place[0]]
        if place[1] in inside.imported:
            waiting.append(inside.imported[place[1]])
        piece = inside.pieces.get(place[1])
        if piece is None:
            continue
        # What another module names counts for how it looks, not for what it names.
        if place[0] == module:
            strings |= piece.strings
        looks = looks or piece.looks
        waiting += [(place[0], used) for used in piece.used]
    return Witness(where, frozenset(strings), looks)


def witnesses(folder: Path = TESTS) -> dict[str, list[Witness]]:
    """Every test function by name."""
    paths = {path: _dotted(path, folder) for path in sorted(folder.rglob("*.py"))}
    modules = {
        name: _module(ast.parse(path.read_text(encoding="utf-8"))) for path, name in paths.items()
    }
    found: dict[str, list[Witness]] = defaultdict(list)
    for path, module in paths.items():
        file = path.relative_to(folder.parent).as_posix()
        for name, piece in modules[module].pieces.items():
            if piece.is_test:
                found[name].append(_witness(f"{file}::{name}", modules, module, name))
    return dict(found)


def _dotted(path: Path, folder: Path) -> str:
    return ".".join(path.relative_to(folder.parent).with_suffix("").parts)


def breaking(row: Row, found: Mapping[str, list[Witness]]) -> list[str]:
    """The tests that break a rule: those that it names, or all that name its own code."""
    if row.tests:
        named = [test for name in row.tests for test in found.get(name, ())]
    else:
        named = [test for group in found.values() for test in group if row.refused_as == ""]
    if not row.is_checked:
        return [test.where for test in named] if row.tests else []
    return [test.where for test in named if test.looks and row.code in test.strings]


def faults(
    rules: Sequence[Row],
    numbers: Sequence[tuple[str, tuple[str, ...]]],
    in_code: Mapping[str, list[str]],
    found: Mapping[str, list[Witness]],
) -> list[str]:
    """What is missing, a line each."""
    listed = {row.who for row in rules if row.is_checked}
    checked = {code for code in in_code if RULE.fullmatch(code)}
    looking = (test for group in found.values() for test in group if test.looks)
    named = {one for test in looking for one in test.strings if RULE.fullmatch(one)}
    said = [f"{rule} at {in_code[rule][0]}: in no row" for rule in sorted(checked - listed)]
    said += [f"{rule}: in a test and not in the code" for rule in sorted(named - checked)]
    for row in rules:
        said += _faults_of(row, in_code, found)
    for number, covering in numbers:
        unknown = [rule for rule in covering or ["?"] if rule not in listed | _OTHERS]
        said += [f"{number}: {rule} is in no row" for rule in unknown]
    return said


def _faults_of(
    row: Row, in_code: Mapping[str, list[str]], found: Mapping[str, list[Witness]]
) -> Iterator[str]:
    about = f"{row.section} {row.rule} ({row.who})"
    if row.is_checked and not {row.who, row.code} <= in_code.keys():
        yield f"{about}: nothing in the code"
    if not row.is_checked and row.who != "sender" and not row.tests and not row.reason:
        yield f"{about}: neither a test nor a reason"
    noticed = breaking(row, found)
    if (row.is_checked or row.who == "sender") and not noticed:
        yield f"{about}: no test"
    for name in row.tests:
        if name not in found:
            yield f"{about}: no test is called {name}"
        elif not any(where.endswith(f"::{name}") for where in noticed):
            yield f"{about}: {name} does not look for {row.code}"


def main() -> int:
    """Print a line for each rule, then what is missing; return the exit status."""
    rules, numbers = rows(TABLE.read_text(encoding="utf-8"))
    in_code, found = places(CODE), witnesses()
    for row in rules:
        broken = breaking(row, found)
        where = ", ".join(in_code.get(row.who, [])) if row.is_checked else ""
        names = [test.rpartition("/")[2] for test in broken]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        as_code = f" as {row.refused_as}" if row.refused_as else ""
        print(f"{row.section:9} {row.who}{as_code}: {row.rule}")
        print(f"{'':10}{where or row.who}; {shown or row.reason or 'NO TEST'}")
    said = faults(rules, numbers, in_code, found)
    checked = {row.who for row in rules if row.is_checked}
    broken = {test for row in rules for test in breaking(row, found)}
    print(f"{len(rules)} rules, {len(checked)} ids in the code, {len(broken)} tests.")
    for line in said:
        print("MISSING", line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
