"""The figures of bench/relay.py as a table, beside what is aimed at.

Never measures anything.
"""

from __future__ import annotations

import statistics

Rounds = dict[str, list[dict[str, float]]]

# Scenario, figure, peer: how many times the peer's ours is meant to be.
AIMS: dict[tuple[str, str, str], float] = {
    ("w1", "messages_per_s", "ejabberd"): 6,
    ("w1", "messages_per_s", "Prosody"): 10,
    ("w1", "messages_per_s", "Mosquitto QoS 0"): 2,
    ("w1", "messages_per_s", "NATS JetStream file"): 1.5,
    ("w1", "messages_per_s", "Mosquitto QoS 1 persisted"): 5,
    ("w1", "messages_per_s", "Prosody archive"): 80,
    ("w1", "messages_per_s", "ejabberd archive"): 200,
    ("w2", "deliveries_per_s", "ejabberd"): 60,
    ("w2", "deliveries_per_s", "Prosody"): 100,
    ("w2", "deliveries_per_s", "NATS core"): 1.3,
    ("w2", "deliveries_per_s", "bare relay in C"): 0.6,
    ("single", "messages_per_s", "ejabberd"): 2,
}
# Scenario and figure of ours alone: at least (>) or at most (<).
OWN_AIMS: dict[tuple[str, str], str] = {
    ("latency5k", "p50_us"): "< 500",
    ("latency5k", "p99_us"): "< 1500",
    ("latency50k", "p99_us"): "< 5000",
    ("memory", "mib_idle"): "< 90",
    ("memory", "kib_each_at_10000"): "< 45",
    ("reconnect", "connections_per_s"): "> 1000",
    ("growth", "of_empty"): "> 0.8",
    ("start", "start_s"): "< 1",
    ("storm", "times_calm"): "< 1.5",
    ("catchup", "seconds"): "< 0.5",
    ("postgresql", "w1_messages_per_s"): "> 60000",
    ("postgresql", "w2_deliveries_per_s"): "> 1500000",
}
_MAIN = {"w1": "messages_per_s", "w2": "deliveries_per_s", "single": "messages_per_s"}


def show(figures: dict[str, Rounds]) -> str:
    """Return the table, a line for each server and figure."""
    lines = []
    for scenario, rounds in figures.items():
        lines += _compared(scenario, rounds) if scenario in _MAIN else _own(scenario, rounds)
    return "\n".join(lines)


def _compared(scenario: str, rounds: Rounds) -> list[str]:
    name = _MAIN[scenario]
    ours = rounds["Sotto"]
    lines = [f"{scenario}: {name.replace('_', ' ')}"]
    for server, theirs in rounds.items():
        rate = statistics.median(each[name] for each in theirs)
        more = ", ".join(
            f"{label} {statistics.median(each[key] for each in theirs):.{digits}f}"
            for key, label, digits in (
                ("p50_us", "p50 us", 0),
                ("p99_us", "p99 us", 0),
                ("server_cpu", "its core", 2),
                ("load_cpu", "load's", 2),
            )
        )
        ratio = statistics.median(
            a[name] / max(1.0, b[name]) for a, b in zip(ours, theirs, strict=True)
        )
        aim = AIMS.get((scenario, name, server))
        against = (
            "" if server == "Sotto" else f"{ratio:8.2f} x" + (f" (aim {aim:g})" if aim else "")
        )
        lines.append(f"  {server:26} {rate:12,.0f} {against:22} {more}")
    return lines


def _own(scenario: str, rounds: Rounds) -> list[str]:
    if not rounds["Sotto"][0]:
        return [f"{scenario}: left out"]
    lines = [f"{scenario}:"]
    for name in rounds["Sotto"][0]:
        value = statistics.median(each[name] for each in rounds["Sotto"])
        aim = OWN_AIMS.get((scenario, name))
        lines.append(f"  {name:26} {value:12,.2f} {f'(aim {aim})' if aim else ''}")
    return lines
