"""What the relay counts, and how Prometheus reads it.

Never a label that names a person, a conversation or an address. Counters are plain numbers that
cost nothing to count; what takes a distribution is observed once for a whole batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Gauge = Callable[[], float]
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5)

# Each counter, and what it counts.
COUNTERS: Final[dict[str, str]] = {
    "connections": "Connections taken in",
    "connections_refused": "Connections refused because there were too many",
    "tls_failures": "TLS handshakes that failed",
    "handshake_timeouts": "Connections that did not log in in time",
    "frames_in": "Frames received",
    "frames_malformed": "Frames that were none",
    "bytes_out": "Bytes written to connections",
    "writes": "Writes to connections, each of all that waited",
    "entries": "Entries appended to logs",
    "deliveries": "Messages pushed to readers",
    "conflicts": "Entries that did not stand on the newest commit",
    "logins": "Log-ins",
    "logins_failed": "Log-ins that failed",
    "requests_failed": "Requests refused",
    "rate_limited": "Requests refused for coming too fast",
    "slow_clients": "Readers let go of because they fell behind",
    "internal_errors": "Faults of the relay itself",
}


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
    deliveries: int = 0
    conflicts: int = 0
    logins: int = 0
    logins_failed: int = 0
    requests_failed: int = 0
    rate_limited: int = 0
    slow_clients: int = 0
    internal_errors: int = 0
    started_at_s: float = field(default_factory=time.time)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    batch: Histogram = field(
        default_factory=lambda: Histogram(
            "sotto_batch_messages",
            "Messages stored in one transaction",
            buckets=_SIZES,
            registry=None,
        )
    )
    commit: Histogram = field(
        default_factory=lambda: Histogram(
            "sotto_commit_seconds",
            "How long a durable commit took, fsync included",
            buckets=_SECONDS,
            registry=None,
        )
    )


assert set(COUNTERS) == {f.name for f in fields(Metrics) if f.type == "int"}


def registry_of(metrics: Metrics) -> CollectorRegistry:
    """Return what Prometheus's exposition reads."""
    registry = CollectorRegistry()
    for collector in (_Numbers(metrics), metrics.batch, metrics.commit):
        registry.register(collector)
    return registry


class _Numbers(Collector):
    """The counters and gauges, read when somebody asks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Yield every number as it is now."""
        metrics = self._metrics
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(f"sotto_{name}", text, value=getattr(metrics, name))
        gauges = {"started_at_seconds": lambda: metrics.started_at_s, **metrics.gauges}
        for name, read in sorted(gauges.items()):
            text = name.replace("_", " ").capitalize()
            yield GaugeMetricFamily(f"sotto_{name}", text, value=read())
