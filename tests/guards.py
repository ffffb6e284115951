"""`python -m tests.guards [--unit] [NUMBER ...]`: every attack test notices its guard's absence.

Copies the tree, takes one guard out of the copy, runs the tests that are about it, and fails unless
each of them fails then. The table is tests/guards.toml. `--unit`: without the tests over real
processes; NUMBERs: only those attacks.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
TABLE = Path(__file__).with_suffix(".toml")
COPIED = ("crypto", "wire", "storage", "relay", "engine", "ui", "tests")
FILES = ("server.py", "client.py", "pyproject.toml")
VECTORS = ROOT.parent / "shared" / "mls-vectors"
WORKERS = 2
TIMEOUT_S = 240
TEST_TIMEOUT_S = 20  # without its guard a test may wait for what never comes


@dataclass(frozen=True)
class Edit:
    """Exactly one place in a file: `source` stands there once, `instead` takes the guard away."""

    file: str
    source: str
    instead: str


@dataclass(frozen=True)
class Guard:
    """One defence, as edits that remove all of it, and the tests (node ids) that must notice."""

    about: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]

    @property
    def numbers(self) -> set[int]:
        """The attacks that its tests are about."""
        return {int(number) for number in re.findall(r"::test_a(\d\d)_", " ".join(self.tests))}

    @property
    def is_unit(self) -> bool:
        """Whether its tests need no process but their own."""
        return not any(test.startswith("tests/system/") for test in self.tests)


def load(table: Path = TABLE) -> tuple[list[Guard], dict[str, str]]:
    """Return the guards, and the attack tests that have none, each with the reason."""
    raw = tomllib.loads(table.read_text(encoding="utf-8"))
    guards = [
        Guard(row["about"], tuple(Edit(**edit) for edit in row["edit"]), tuple(row["tests"]))
        for row in raw["guard"]
    ]
    return guards, dict(raw["without"])


def copy_tree(to: Path) -> None:
    """Copy everything that tests need."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, to / name)


def without(edit: Edit, source: str) -> str:
    """Return the source with an edit made; raise ValueError unless it fits exactly once."""
    if source.count(edit.source) != 1:
        text = f"{edit.file}: {source.count(edit.source)} times in the file: {edit.source!r}"
        raise ValueError(text)
    return source.replace(edit.source, edit.instead)


def unnoticed(guard: Guard, tree: Path) -> list[str]:
    """Return the guard's tests that pass although it is gone from the tree."""
    whole = {edit.file: (tree / edit.file).read_text(encoding="utf-8") for edit in guard.edits}
    changed = dict(whole)
    for edit in guard.edits:
        changed[edit.file] = without(edit, changed[edit.file])
    try:
        for file, source in changed.items():
            (tree / file).write_text(source, encoding="utf-8")
        said = _pytest(tree, guard.tests)
    finally:
        for file, source in whole.items():
            (tree / file).write_text(source, encoding="utf-8")
    # An error is one in a fixture: a relay that does not start without the guard.
    failed = set(re.findall(r"^(?:FAILED|ERROR) ([^\s\[]+)", said, re.MULTILINE))
    return [test for test in guard.tests if test not in failed]


def _pytest(tree: Path, tests: tuple[str, ...]) -> str:
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    if VECTORS.is_dir():
        environment.setdefault("MLS_VECTORS", str(VECTORS))
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
    command.append(f"--timeout={TEST_TIMEOUT_S}")
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return ""  # what said nothing has noticed nothing
    return done.stdout


def chosen(guards: list[Guard], numbers: list[int], *, unit_only: bool) -> list[Guard]:
    """Return the guards to take out, in the table's order."""
    wanted = set(numbers)
    found = [guard for guard in guards if not wanted or guard.numbers & wanted]
    return [guard for guard in found if guard.is_unit or not unit_only]


def check(guards: list[Guard]) -> dict[str, list[str]]:
    """Return, by guard, the tests that did not notice; runs some guards at once."""
    with tempfile.TemporaryDirectory(prefix="sotto-guards-") as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            tree = Path(folder) / str(number)
            tree.mkdir()
            copy_tree(tree)
            trees.put(tree)

        def one(guard: Guard) -> list[str]:
            tree = trees.get()
            try:
                return unnoticed(guard, tree)
            except ValueError as error:  # the code has moved: the table has to follow
                return [str(error)]
            finally:
                trees.put(tree)

        found: dict[str, list[str]] = {}
        with ThreadPoolExecutor(WORKERS) as pool:
            for guard, missed in zip(guards, pool.map(one, guards), strict=True):
                print("MISSED" if missed else "ok    ", guard.about, *missed, flush=True)
                if missed:
                    found[guard.about] = missed
        return found


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="tests.guards", description=__doc__)
    parser.add_argument("--unit", action="store_true", help="without tests over real processes")
    parser.add_argument("numbers", nargs="*", type=int, help="only these attacks")
    asked = parser.parse_args(arguments)
    started_s = time.monotonic()
    guards = chosen(load()[0], asked.numbers, unit_only=asked.unit)
    missed = check(guards)
    tests = sum(len(guard.tests) for guard in guards)
    took_s = time.monotonic() - started_s
    print(f"{len(guards)} guards, {tests} tests, {len(missed)} missed, {took_s:.0f} s.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
