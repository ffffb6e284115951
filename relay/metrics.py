"""What the relay counts, and the text that Prometheus reads.

Never a label that names a person, a conversation or an address.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields

Gauge = Callable[[], float]


@dataclass(slots=True)
class Metrics:
    """Counters since the start; `gauges` are read when asked for."""

    connections: int = 0
    connections_refused: int = 0
    tls_failures: int = 0
    handshake_timeouts: int = 0
    frames_in: int = 0
    frames_malformed: int = 0
    bytes_out: int = 0
    writes: int = 0
    entries: int = 0
    logins: int = 0
    logins_failed: int = 0
    requests_failed: int = 0
    rate_limited: int = 0
    slow_clients: int = 0
    internal_errors: int = 0
    started_at_s: float = field(default_factory=time.time)
    gauges: dict[str, Gauge] = field(default_factory=dict)


_COUNTERS = [f.name for f in fields(Metrics) if f.name not in ("started_at_s", "gauges")]


def render(metrics: Metrics) -> bytes:
    """Return the metrics in Prometheus's text form."""
    lines = []
    for name in _COUNTERS:
        lines.append(f"# TYPE sotto_{name}_total counter")
        lines.append(f"sotto_{name}_total {getattr(metrics, name)}")
    gauges = {"started_at_seconds": lambda: metrics.started_at_s, **metrics.gauges}
    for name, read in sorted(gauges.items()):
        lines.append(f"# TYPE sotto_{name} gauge")
        lines.append(f"sotto_{name} {read():g}")
    return "\n".join(lines).encode() + b"\n"
