"""How far one PostgreSQL carries relays: a day of many people, simulated hour by hour.

`python -m bench.scale --users 1000000`. Nothing is measured here: what one relay and one database
can do are arguments, as bench/relay.py measured them; what people do is stated in the table below.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass

HOURS = 24
# Of a person's messages, how many fall into each hour of their own day.
OWN_DAY = (1, 0.4, 0.2, 0.1, 0.1, 0.3, 1, 3, 5, 6, 6, 6, 7, 6, 5, 5, 6, 7, 8, 9, 9, 8, 5, 3)
ZONES = {0: 0.5, 6: 0.2, 8: 0.2, 16: 0.1}  # share of people, by hours that they are away
# (share of the messages, readers besides the sender's device) of kinds of conversations.
KINDS = ((0.55, 1), (0.30, 7), (0.13, 30), (0.02, 200))


@dataclass(frozen=True)
class Day:
    """What people do. `busiest`: the busiest second of an hour beside its average."""

    users: int = 1_000_000
    active_share: float = 0.35
    messages_each: float = 40.0
    devices_each: float = 1.6
    online_share: float = 0.6  # of the active people's devices, in their busiest hour
    bursts: float = 3.0  # a goal, a bell: the busiest second beside the hour's average


@dataclass(frozen=True)
class Capacity:
    """What was measured: of one relay on one core, and of one database."""

    relay_appends_s: float = 40_000
    relay_deliveries_s: float = 600_000
    relay_connections: float = 20_000
    relay_reconnects_s: float = 700
    database_appends_s: float = 48_000
    entry_bytes: float = 423 + 60  # a short message, and its transaction's row
    kept_days: float = 3.0  # until all have read it, on average; 30 at most


@dataclass(frozen=True)
class Hour:
    """One hour's load, in a second of it; `busiest` with its bursts."""

    messages_s: float
    deliveries_s: float
    connections: float
    busiest_s: float


def simulate(day: Day, *, seed: int = 1) -> list[Hour]:
    """Return the hours of a day, with the chance of people's doings in them."""
    chance = random.Random(seed)
    whole = sum(OWN_DAY)
    readers = sum(share * count for share, count in KINDS) * day.devices_each
    hours = []
    for hour in range(HOURS):
        weight = sum(share * OWN_DAY[(hour - away) % HOURS] for away, share in ZONES.items())
        expected = day.users * day.active_share * day.messages_each * weight / whole / 3600
        seconds = [chance.gauss(expected, math.sqrt(expected)) for _ in range(3600)]
        online = day.users * day.active_share * day.devices_each * day.online_share
        hours.append(
            Hour(
                messages_s=sum(seconds) / len(seconds),
                deliveries_s=sum(seconds) / len(seconds) * readers * day.online_share,
                connections=online * weight / max(OWN_DAY),
                busiest_s=max(seconds) * day.bursts,
            )
        )
    return hours


def report(day: Day, can: Capacity, hours: list[Hour]) -> str:
    """Return what the day needs, a line each."""
    peak = max(hours, key=lambda hour: hour.busiest_s)
    connections = max(hour.connections for hour in hours)
    deliveries = max(hour.deliveries_s for hour in hours) * day.bursts
    messages = sum(hour.messages_s for hour in hours) * 3600
    relays = {
        "appends": peak.busiest_s / can.relay_appends_s,
        "deliveries": deliveries / can.relay_deliveries_s,
        "connections": connections / can.relay_connections,
    }
    need = max(1, math.ceil(max(relays.values()) / 0.6)) + 1  # busy at most 60 %, one may be away
    kept = messages * can.entry_bytes * can.kept_days
    back_s = connections / need / max(1, need - 1) / can.relay_reconnects_s
    database = peak.busiest_s / can.database_appends_s
    average, bound = messages / 86400, max(relays, key=lambda each: relays[each])
    most = kept / can.kept_days * 30
    lines = {
        "messages a day": f"{messages:,.0f}",
        "messages a second, average; busiest": f"{average:,.0f}; {peak.busiest_s:,.0f}",
        "deliveries a second, busiest": f"{deliveries:,.0f}",
        "connections at once": f"{connections:,.0f}",
        "relays (cores), at 60 % and one spare": f"{need}, bound by {bound}",
        "a relay dies: everybody is back after": f"{back_s:.0f} s",
        "the log in the database": f"{kept / 1e9:,.0f} GB, at most {most / 1e9:,.0f} GB",
        "share of what one PostgreSQL appends, busiest": f"{database:.0%}",
        "people at which that is full": f"{day.users / database:,.0f}",
    }
    return "\n".join(f"{name:46} {value}" for name, value in lines.items())


def main() -> None:
    """Simulate a day and print what it needs."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--users", type=int, default=Day.users)
    parser.add_argument("--messages-each", type=float, default=Day.messages_each)
    parser.add_argument("--database-appends-s", type=float, default=Capacity.database_appends_s)
    arguments = parser.parse_args()
    day = Day(users=arguments.users, messages_each=arguments.messages_each)
    can = Capacity(database_appends_s=arguments.database_appends_s)
    print(report(day, can, simulate(day)))


if __name__ == "__main__":
    main()
