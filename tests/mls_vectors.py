"""Runs official MLS test vectors: `python -m tests.mls_vectors DIR` checks every file found there.

A file is JSON, plain or gzip, of any name: its format is told by the fields of its cases. Never
passes what it did not check: what has no known format or suite is skipped, with the reason.
"""

import argparse
import gzip
import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crypto.mls.suite import SUITES
from tests import vector_checks_bottom, vector_checks_top
from tests.vector_format import Format

FORMATS = (*vector_checks_bottom.FORMATS, *vector_checks_top.FORMATS)
_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "mls-vectors"
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Result:
    """How the cases of one file went; a reason and how often it was met."""

    passed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)

    def lines(self, name: str) -> Iterator[str]:
        """The summary, then a line for each reason."""
        failed, skipped = self.failures.total(), self.skips.total()
        yield f"{name}: passed {self.passed}, failed {failed}, skipped {skipped}"
        for word, reasons in (("failed", self.failures), ("skipped", self.skips)):
            for reason, count in reasons.items():
                yield f"    {word} {count}: {reason}"


def directory() -> Path:
    """Where the tests look for vectors: MLS_VECTORS, else a folder beside the repository."""
    return Path(os.environ.get("MLS_VECTORS") or _BESIDE_THE_REPOSITORY)


def files_in(folder: Path) -> list[Path]:
    """Every file in a folder and those below it, in order; a file stands for itself."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.is_file())


def load(path: Path) -> list[Any]:
    """The cases of one file; ValueError or OSError when it is not whole JSON."""
    data = path.read_bytes()
    try:
        text = gzip.decompress(data) if data.startswith(_GZIP) else data
        loaded = json.loads(text)
    except (EOFError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from None
    return loaded if isinstance(loaded, list) else [loaded]


def format_of(case: object) -> Format | None:
    """The format of a case, or None."""
    if not isinstance(case, dict):
        return None
    return next((known for known in FORMATS if known.holds(case)), None)


def reason_to_skip(case: Mapping[str, Any]) -> str | None:
    """Why a case of a known format cannot be checked, or None."""
    number = case.get("cipher_suite")
    if number is None or number in SUITES:
        return None
    return f"cipher suite {number} is not built"


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {error} at {Path(frame.filename).name}:{frame.lineno}"


def run(cases: list[Any]) -> Result:
    """Check every case, each by its own format."""
    result = Result()
    if not cases:
        result.skips["there is no case in it"] += 1
    for number, case in enumerate(cases):
        known = format_of(case)
        reason = "its fields are of no known format" if known is None else reason_to_skip(case)
        if known is None or reason is not None:
            result.skips[str(reason)] += 1
            continue
        try:
            known.check(case)
        except Exception as error:  # whatever broken code raises: no case may hide those after it
            result.failures[f"{known.name} case {number}: {_where(error)}"] += 1
        else:
            result.passed += 1
    return result


def run_file(path: Path) -> Result:
    """Check every case of a file; one that does not read is a failure if it should be JSON."""
    try:
        cases = load(path)
    except (ValueError, OSError) as error:
        result = Result()
        is_json = {".json", ".gz"} & set(path.suffixes)
        (result.failures if is_json else result.skips)[f"not JSON: {error}"] += 1
        return result
    return run(cases)


def main(arguments: list[str]) -> int:
    """Print how each file went; 0 when nothing failed and something was checked."""
    parser = argparse.ArgumentParser(prog="python -m tests.mls_vectors", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=directory())
    folder = parser.parse_args(arguments).folder
    results = []
    for path in files_in(folder):
        name = path.name if path == folder else path.relative_to(folder).as_posix()
        results.append(run_file(path))
        print("\n".join(results[-1].lines(name)), flush=True)
    if not any(result.passed for result in results):
        print("no vector was checked", file=sys.stderr)
        return 1
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
