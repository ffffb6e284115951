"""What bench.mls measures in every library, what it aims at, and how a result is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.mls_rounds import Measured, Operation

OURS = "sotto"
RFC9420, DOUBLE_RATCHET = "rfc9420", "DoubleRatchet"
WEBCRYPTO, NOBLE = "ts-mls (webcrypto)", "ts-mls (noble)"
TS_MLS = (WEBCRYPTO, NOBLE)

OPERATIONS = (
    Operation("protect", "protect 100 bytes, signed", members=2, most=2000),
    Operation("unprotect", "unprotect them", members=2, most=2000),
    Operation("add", "add all others in one commit", members=1000, most=1),
    Operation("join", "join by Welcome", members=1000, most=1),
    Operation("path", "path commit in a blank tree", members=1000, most=1),
    Operation("process", "process that commit", members=1000, most=3),
    Operation("external", "join from outside", members=1000, most=1),
    Operation("hybrid", "path commit, hybrid suite", members=100, most=1),
)
# How many times as long as ours it should take at least. Of ts-mls, the provider that is faster.
AIMS: dict[str, dict[str, float]] = {
    "protect": {RFC9420: 2.2, WEBCRYPTO: 25, NOBLE: 25, DOUBLE_RATCHET: 1},
    "unprotect": {RFC9420: 1.3, WEBCRYPTO: 8, NOBLE: 8},
    "add": {RFC9420: 4, WEBCRYPTO: 9, NOBLE: 9},
    "join": {RFC9420: 4, WEBCRYPTO: 2.6, NOBLE: 2.6},
    "path": {RFC9420: 1.8, WEBCRYPTO: 9, NOBLE: 9},
    "process": {WEBCRYPTO: 40, NOBLE: 40},
    "external": {WEBCRYPTO: 5, NOBLE: 5},
    "hybrid": {WEBCRYPTO: 20, NOBLE: 20},
}


def aims(operation: Operation, measured: Mapping[str, Measured]) -> dict[str, float]:
    """The aims that count: of ts-mls only that of the faster provider, in smaller groups none."""
    if operation not in OPERATIONS:
        return {}
    providers = [name for name in TS_MLS if name in measured]
    slower = sorted(providers, key=lambda name: measured[name].median_s)[1:]
    return {name: aim for name, aim in AIMS[operation.name].items() if name not in slower}


def lines(
    operation: Operation, measured: Mapping[str, Measured], left_out: Mapping[str, str]
) -> Iterator[str]:
    """The part of the table that shows one operation; in brackets, ratios of processor time."""
    yield f"{operation.title} ({operation.members} members)"
    wanted = aims(operation, measured)
    for name, figures in measured.items():
        line = f"  {name:<20}{_milliseconds(figures.median_s):>12} ms  {_spread(figures):<44}"
        if name != OURS:
            line += f"{figures.ratio:7.2f} x  ({figures.cpu_ratio:.2f} x)"
            if name in wanted:
                word = "met" if figures.ratio >= wanted[name] else "missed"
                line += f"   aim {wanted[name]:g}, {word}"
        yield line.rstrip()
    for name, reason in left_out.items():
        yield f"  {name:<20}left out: {reason}"


def as_json(
    operation: Operation, measured: Mapping[str, Measured], left_out: Mapping[str, str]
) -> dict[str, Any]:
    """The same for programs: seconds of one operation, sizes in bytes."""
    wanted = aims(operation, measured)
    return {
        "operation": operation.name,
        "title": operation.title,
        "members": operation.members,
        "libraries": {
            name: {
                "median_s": figures.median_s,
                "seconds": figures.seconds,
                "cpu_seconds": figures.cpu_seconds,
                "count": figures.count,
                "sizes_bytes": figures.sizes,
                "ratio": figures.ratio,
                "cpu_ratio": figures.cpu_ratio,
                "aim": wanted.get(name),
            }
            for name, figures in measured.items()
        },
        "left_out": left_out,
    }


def _spread(figures: Measured) -> str:
    least, most = _milliseconds(min(figures.seconds)), _milliseconds(max(figures.seconds))
    return f"({least} to {most}; {len(figures.seconds)} rounds of {figures.count})"


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.3f}" if value < 100 else f"{value:,.0f}"
