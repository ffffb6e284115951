"""Runs official MLS test vectors: `python -m tests.mls_vectors DIR` checks every file found there.

Never passes what it did not check: cases of other suites and files without a check are skipped,
with the reason. Files are NAME.json or NAME.json.gz.
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

from crypto.errors import PeerError
from crypto.mls.suite import SUITES
from tests import vector_checks_bottom, vector_checks_top

CHECKS = {**vector_checks_bottom.CHECKS, **vector_checks_top.CHECKS}
_BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "mls-vectors"
# What broken code raises under a vector: no case may hide those after it.
_FAULTS = (AssertionError, PeerError, LookupError, ValueError, TypeError, AttributeError)


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


def files_in(folder: Path) -> dict[str, Path]:
    """The vector files of a folder by their names without endings."""
    found = [*folder.glob("*.json"), *folder.glob("*.json.gz")]
    return {path.name.removesuffix(".gz").removesuffix(".json"): path for path in sorted(found)}


def load(path: Path) -> list[dict[str, Any]]:
    """The cases of one file."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    loaded = json.loads(text)
    return loaded if isinstance(loaded, list) else [loaded]


def reason_to_skip(case: Mapping[str, Any]) -> str | None:
    """Why a case cannot be checked, or None."""
    number = case.get("cipher_suite")
    if number is None or number in SUITES:
        return None
    return f"cipher suite {number} is not built"


def _where(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {error} at {Path(frame.filename).name}:{frame.lineno}"


def run(name: str, cases: list[dict[str, Any]]) -> Result:
    """Check every case of the file of that name."""
    result = Result()
    check = CHECKS.get(name)
    for number, case in enumerate(cases):
        reason = "there is no check for this file" if check is None else reason_to_skip(case)
        if check is None or reason is not None:
            result.skips[str(reason)] += 1
            continue
        try:
            check(case)
        except _FAULTS as error:
            result.failures[f"case {number}: {_where(error)}"] += 1
        else:
            result.passed += 1
    return result


def main(arguments: list[str]) -> int:
    """Print how each file went; 0 when nothing failed and something was checked."""
    parser = argparse.ArgumentParser(prog="python -m tests.mls_vectors", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=directory())
    files = files_in(parser.parse_args(arguments).folder)
    results = {name: run(name, load(path)) for name, path in files.items()}
    for name, result in results.items():
        print("\n".join(result.lines(files[name].name)), flush=True)
    if not any(result.passed for result in results.values()):
        print("no vector was checked", file=sys.stderr)
        return 1
    return 1 if any(result.failures for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
