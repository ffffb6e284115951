"""A worker's loop: prepares a chunk of work, settles the garbage, times the chunk, checks it.

A request is {"operation", "count", "members"}; the answer is {"seconds", "cpu_seconds" (of the
process, all threads), "sizes"}, or {"unsupported"} with a reason. Nothing of the product is needed:
peers' environments run this too.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

DATA = bytes(range(100))  # what is protected


class UnsupportedError(Exception):
    """The library cannot do this operation; the text says why."""


@dataclass(frozen=True)
class Chunk:
    """What is timed, and what looks at its result afterwards and returns sizes in bytes."""

    run: Callable[[], Any]
    check: Callable[[Any], dict[str, int]]


# Makes a chunk of `count` operations in a group of `members`: Prepare(count, members).
Prepare = Callable[[int, int], Chunk]


def serve(operations: Mapping[str, Prepare]) -> None:
    """Answer requests until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # a library that prints must not be taken for an answer
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(_answer(operations, **request)), file=answers, flush=True)


def _answer(
    operations: Mapping[str, Prepare], *, operation: str, count: int, members: int
) -> dict[str, Any]:
    prepare = operations.get(operation)
    if prepare is None:
        return {"unsupported": "has nothing like it"}
    try:
        chunk = prepare(count, members)
    except UnsupportedError as reason:
        return {"unsupported": str(reason)}
    gc.collect()
    begun, cpu_begun = time.perf_counter(), time.process_time()
    result = chunk.run()
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "sizes": chunk.check(result)}
