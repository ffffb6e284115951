"""Runs the same operation in every library's worker in turn, round after round.

The machine's drift hits all alike: ratios are taken within a round, and only then their median.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.mls_peers.installed import LeftOutError

ROOT = Path(__file__).resolve().parents[1]
CHUNK_S = 0.25  # a chunk of short operations takes about this long
ROUNDS_S = 240  # the rounds of one operation take about this long, if they are not fewer than ...
FEWEST_ROUNDS = 3
WARM_S = 2  # compilers that learn while they run need about this long
SLOW_CHUNK_S = 60  # a chunk that takes longer runs once


@dataclass(frozen=True)
class Operation:
    """What is measured: a chunk has at most `most` of it, in groups of `members`."""

    name: str
    title: str
    members: int
    most: int


@dataclass(frozen=True)
class Timed:
    """A chunk's figures for one operation; sizes in bytes of what it read or made."""

    seconds: float
    cpu_seconds: float
    sizes: Mapping[str, int]


@dataclass
class Measured:
    """One library's figures for one operation, a value for each round in which it ran."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    count: int = 1
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def median_s(self) -> float:
        """Seconds of one operation."""
        return statistics.median(self.seconds)

    @property
    def ratio(self) -> float:
        """How many times as long as ours: the median of the rounds' ratios."""
        return statistics.median(self.ratios)

    @property
    def cpu_ratio(self) -> float:
        """The same of processor time, all threads: on a busy machine the steadier one."""
        return statistics.median(self.cpu_ratios)


class Worker:
    """One library in a process of its own, which idles while others are timed."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said
        )

    def chunk(self, operation: str, count: int, members: int) -> Timed:
        """Figures of one operation out of `count`; raises LeftOutError."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        request = {"operation": operation, "count": count, "members": members}
        with suppress(BrokenPipeError):  # then it answers nothing either
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        line = stdout.readline()
        if not line:
            raise LeftOutError(f"its worker died: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "unsupported" in answer:
            raise LeftOutError(answer["unsupported"])
        return Timed(answer["seconds"] / count, answer["cpu_seconds"] / count, answer["sizes"])

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with suppress(BrokenPipeError):  # what a dead worker did not read
                    stream.close()

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = [line for line in self._said.read().decode(errors="replace").splitlines() if line]
        return next((line for line in reversed(lines) if "rror" in line), "no word")


def measure(
    operation: Operation, ours: Worker, peers: Sequence[Worker], *, rounds: int
) -> tuple[dict[str, Measured], dict[str, str]]:
    """Figures of every library that can do the operation, and why the others are left out."""
    measured: dict[str, Measured] = {}
    left_out: dict[str, str] = {}
    slow: set[str] = set()
    round_s = 0.0
    for worker in (ours, *peers):
        try:
            count, chunk_s, spent_s = _warm(worker, operation)
        except LeftOutError as reason:
            left_out[worker.name] = str(reason)
            if worker is ours:
                return {}, left_out
            continue
        measured[worker.name] = Measured(count=count)
        if chunk_s > SLOW_CHUNK_S:
            slow.add(worker.name)
        else:
            round_s += spent_s
    able = [worker for worker in (ours, *peers) if worker.name in measured]
    _round(operation, able, measured)
    able = [worker for worker in able if worker.name not in slow]
    for _ in range(1, min(rounds, max(FEWEST_ROUNDS, int(ROUNDS_S / round_s)))):
        _round(operation, able, measured)
    return measured, left_out


def _warm(worker: Worker, operation: Operation) -> tuple[int, float, float]:
    """How many operations fill a chunk, seconds of that chunk, and of it with what prepares it."""
    count, best_s, prepared = 1, math.inf, 0.0
    while True:
        begun = time.perf_counter()
        each_s = worker.chunk(operation.name, count, operation.members).seconds
        now = time.perf_counter()
        best_s = min(best_s, each_s)
        fitting = max(1, min(operation.most, int(CHUNK_S / best_s)))
        is_warm = prepared and now - prepared >= WARM_S and 2 * count >= fitting
        if is_warm or each_s > SLOW_CHUNK_S:
            return count, each_s * count, now - begun
        prepared = prepared or now  # the first chunk made groups that the others find ready
        count = min(fitting, count * 8)


def _round(operation: Operation, workers: Sequence[Worker], into: dict[str, Measured]) -> None:
    base: Timed | None = None
    for worker in workers:
        figures = into[worker.name]
        timed = worker.chunk(operation.name, figures.count, operation.members)
        base = base or timed  # ours comes first
        figures.seconds.append(timed.seconds)
        figures.cpu_seconds.append(timed.cpu_seconds)
        figures.ratios.append(timed.seconds / base.seconds)
        figures.cpu_ratios.append(timed.cpu_seconds / base.cpu_seconds)
        figures.sizes = timed.sizes
