"""Our crypto/mls beside other libraries, in one run: `python -m bench.mls`.

Prints medians, how many times as long as ours the others take, and the aims. The peers are
installed into bench/.peers; where that fails they are left out, with the reason.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import mls_memory, mls_store, mls_table
from bench.mls_peers import installed, ours
from bench.mls_peers.installed import LeftOutError
from bench.mls_rounds import Operation, Worker, measure
from bench.mls_table import DOUBLE_RATCHET, NOBLE, OPERATIONS, OURS, RFC9420, WEBCRYPTO

ROUNDS = 9
PROFILE_LINES = 15
HEADING = "time of one operation; how many times ours it is (in brackets: of processor time); aims"


def _module(interpreter: object, name: str) -> list[str]:
    return [str(interpreter), "-m", f"bench.mls_peers.{name}"]


def _ts_mls(provider: str) -> list[str]:
    node, library = installed.ts_mls()
    return [node, "--expose-gc", str(installed.HERE / "ts_mls.mjs"), str(library), provider]


PEERS: dict[str, Callable[[], list[str]]] = {
    RFC9420: lambda: _module(installed.python_peers(), "rfc9420_peer"),
    DOUBLE_RATCHET: lambda: _module(installed.python_peers(), "double_ratchet_peer"),
    WEBCRYPTO: lambda: _ts_mls("webcrypto"),
    NOBLE: lambda: _ts_mls("noble"),
}
# What no peer has anything beside.
OURS_ALONE: dict[str, Callable[[argparse.Namespace], tuple[list[str], dict[str, Any]]]] = {
    "durable": lambda options: mls_store.measure(rounds=options.rounds),
    "memory": lambda options: mls_memory.measure(members=options.members),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, or profile ours."""
    options = _options(arguments)
    if options.profile:
        _profile(next(one for one in OPERATIONS if one.name == options.profile))
        return
    machine = _machine()
    _show(options, [", ".join(f"{name} {value}" for name, value in machine.items()), HEADING])
    found: dict[str, Any] = {"machine": machine, "operations": _beside_peers(options)}
    for name, weigh in OURS_ALONE.items():
        if name in options.only:
            lines, found[name] = weigh(options)
            _show(options, lines)
    if options.json:
        text = json.dumps(found, indent=2)
        print(text) if options.json == "-" else Path(options.json).write_text(text + "\n")


def _beside_peers(options: argparse.Namespace) -> list[dict[str, Any]]:
    operations = [
        replace(one, members=min(one.members, options.members))
        for one in OPERATIONS
        if one.name in options.only
    ]
    results: list[dict[str, Any]] = []
    if not operations:
        return results
    with ExitStack() as stack:
        worker = stack.enter_context(closing(Worker(OURS, _module(sys.executable, "ours"))))
        peers, missing = _peers(stack, options.peers)
        for operation in operations:
            measured, left_out = measure(operation, worker, peers, rounds=options.rounds)
            left_out |= missing
            _show(options, mls_table.lines(operation, measured, left_out))
            results.append(mls_table.as_json(operation, measured, left_out))
    return results


def _show(options: argparse.Namespace, lines: Iterable[str]) -> None:
    table = sys.stderr if options.json == "-" else sys.stdout
    print(*lines, sep="\n", file=table, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [one.name for one in OPERATIONS]
    all_names = [*names, *OURS_ALONE]
    parser = argparse.ArgumentParser(prog="python -m bench.mls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"at most; {ROUNDS} if not said")
    parser.add_argument("--only", nargs="+", default=all_names, choices=all_names, help="these")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS], help="beside these")
    parser.add_argument("--members", type=int, default=1000, help="no group is larger")
    parser.add_argument("--json", metavar="FILE", help="for programs; - is standard output")
    parser.add_argument("--profile", choices=names, help="where our time goes in one operation")
    return parser.parse_args(arguments)


def _peers(stack: ExitStack, names: Sequence[str]) -> tuple[list[Worker], dict[str, str]]:
    workers, missing = [], {}
    for name in names:
        try:
            workers.append(stack.enter_context(closing(Worker(name, PEERS[name]()))))
        except LeftOutError as reason:
            missing[name] = str(reason)
    return workers, missing


def _profile(operation: Operation) -> None:
    prepare = ours.OPERATIONS[operation.name]
    for count in (1, operation.most):  # the first one warms up
        chunk, profile = prepare(count, operation.members), cProfile.Profile()
        profile.runcall(chunk.run)
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(PROFILE_LINES)


def _machine() -> dict[str, Any]:
    models = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "cryptography": version("cryptography"),
        "system": platform.system(),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    main()
