"""Our relay beside others under the same load: `python -m bench.relay`, `make bench-relay`.

Every server has one core and the load generator the other. Ours runs as it is shipped: TLS 1.3,
log-in by device proof, memberships, limits, SQLite with fsync before each acknowledgement. Rounds
take turns, so that the machine's drift hits all alike; figures are medians, ratios medians of the
rounds' ratios. Needs two cores, gcc and OpenSSL's headers; peers that are not installed are left
out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import relay_world
from bench.relay_databases import NoServer, empty_database
from bench.relay_peers import CLIENTS, Peer, peers, running
from bench.relay_serving import LOAD_CORE, ROOT, Server, load, on_core, relay
from bench.relay_table import show
from tests.processes import free_port
from tests.relay.databases import URLS

OURS = "Sotto"
SOURCES = Path(__file__).parent / "relay_load"
Figures = dict[str, float]


@dataclass(frozen=True)
class Bench:
    """Where things lie in one run."""

    folder: Path
    program: Path
    bare: Path
    seconds: float
    database_url: str | None = None

    def world(
        self, name: str, count: int, found: Callable[..., list[bytes]], url: str | None
    ) -> Path:
        """Return a folder with a relay's data and a plan; in SQLite made once and copied."""
        used = self.folder / "used"
        shutil.rmtree(used, ignore_errors=True)
        made = used if url else self.folder / "worlds" / name
        if not (made / "plan").exists():
            with relay_world.world_on(made / "relay", url) as world:
                relay_world.write_plan(made / "plan", world, count, found)
        if made != used:
            shutil.copytree(made, used)
            os.sync()  # or the relay's first fsync would wait for the copy
        return used

    @contextmanager
    def ours(
        self, name: str, count: int, found: Callable[..., list[bytes]]
    ) -> Iterator[tuple[Server, dict[str, Any]]]:
        """Run our relay on such a world; also what the load needs to know."""
        server_database = empty_database(self.database_url) if self.database_url else nullcontext()
        with server_database as url:
            used = self.world(name, count, found, url)
            flags = ["--database-url", url] if url else []
            options = {"protocol": "sotto", "tls": True, "plan": used / "plan", "clients": count}
            with relay(used / "relay", free_port(), *flags) as server:
                yield server, options


def build(folder: Path) -> tuple[Path, Path]:
    """Compile the load generator and the bare relay; SystemExit where that cannot be."""
    made = []
    for name, sources in (("load", SOURCES), ("bare", SOURCES / "bare")):
        program = folder / name
        files = sorted(str(path) for path in sources.glob("*.c"))
        command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", str(program), *files]
        try:
            done = subprocess.run(
                [*command, "-lssl", "-lcrypto", "-lpthread"], capture_output=True, text=True
            )
        except FileNotFoundError:
            raise SystemExit("bench: gcc is not installed (Debian: build-essential)") from None
        if done.returncode:
            raise SystemExit(f"bench: gcc (and Debian's libssl-dev?):\n{done.stderr}")
        made.append(program)
    return made[0], made[1]


# What is measured with every server: the load's options. `single`: one message at a time.
COMMON: dict[str, dict[str, Any]] = {
    "w1": {"window": 32},
    "w2": {"room": True, "window": 32, "senders": 10},
    "single": {"window": 1},
}
# With ours alone: messages a second, spread evenly.
PACED = {"latency1k": 1_000, "latency5k": 5_000, "latency50k": 50_000}


def run_ours(bench: Bench, scenario: str) -> Figures:
    """One round of a scenario with our relay."""
    if scenario in PACED:
        with bench.ours("pairs", CLIENTS, relay_world.pairs) as (server, options):
            rate = {"rate": PACED[scenario], "seconds": bench.seconds}
            return load(bench.program, server, **options, **rate)
    found = relay_world.one_room if scenario == "w2" else relay_world.pairs
    with bench.ours("room" if scenario == "w2" else "pairs", CLIENTS, found) as (server, options):
        return load(bench.program, server, **options, **COMMON[scenario], seconds=bench.seconds)


def run_peer(bench: Bench, peer: Peer, scenario: str) -> Figures:
    """One round of a scenario with a peer."""
    with running(peer, bench.folder / peer.name.replace(" ", "-")) as server:
        options = {**peer.options, "tls": not peer.is_stored, "clients": CLIENTS}
        return load(bench.program, server, **options, **COMMON[scenario], seconds=bench.seconds)


def memory(bench: Bench) -> Figures:
    """What idle connections take: 1,000, 5,000 and 10,000 of them."""
    figures: Figures = {}
    for count in (1_000, 5_000, 10_000):
        with bench.ours(f"idle{count}", count, relay_world.nothing) as (server, options):
            found = load(bench.program, server, **options, do="idle", warm=3)
        figures[f"mib_at_{count}"] = found["server_mib"]
        figures[f"kib_each_at_{count}"] = found["kib_per_client"]
        figures["mib_idle"] = found["idle_mib"]
    return figures


def reconnect(bench: Bench) -> Figures:
    """Devices that connect, prove themselves and leave."""
    with bench.ours("pairs", CLIENTS, relay_world.pairs) as (server, options):
        return load(bench.program, server, **options, do="reconnect", seconds=bench.seconds)


def growth(bench: Bench) -> Figures:
    """W1 among a thousand rooms of ten with ten thousand entries each, and the empty relay's."""
    with bench.ours("grown", CLIENTS, relay_world.grown) as (server, options):
        full = load(bench.program, server, **options, **COMMON["w1"], seconds=bench.seconds)
    empty = run_ours(bench, "w1")
    share = full["messages_per_s"] / empty["messages_per_s"]
    return {"messages_per_s": full["messages_per_s"], "of_empty": share}


def start(bench: Bench) -> Figures:
    """How long a relay with ten million entries takes until it listens."""
    with bench.ours("grown", CLIENTS, relay_world.grown) as (server, _options):
        return {"start_s": server.started_s}


def storm(bench: Bench) -> Figures:
    """Paced messages, first alone, then while a hundred people log in with their passwords."""
    paced = {"rate": PACED["latency5k"], "seconds": bench.seconds}
    with bench.ours("stormed", CLIENTS, relay_world.stormed) as (server, options):
        calm = load(bench.program, server, **options, **paced)
        command = [sys.executable, "-m", "bench.relay_storm", str(server.port)]
        command = ["nice", "-n", "19", *on_core(LOAD_CORE, [*command, str(bench.seconds + 2)])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as crowd:
            during = load(bench.program, server, **options, **paced)
            said, _ = crowd.communicate(timeout=120)
    if crowd.returncode:
        raise SystemExit("bench: those who log in met with an error; it stands above")
    ratio = during["p99_us"] / calm["p99_us"]
    figures = {"calm_p99_us": calm["p99_us"], "storm_p99_us": during["p99_us"]}
    return figures | {"times_calm": ratio} | json.loads(said)


def catch_up(bench: Bench) -> Figures:
    """A device that fetches ten thousand entries which came while it was away."""
    with bench.ours("missed", 2, relay_world.missed) as (server, options):
        return load(bench.program, server, **options, do="catchup")


def on_server(kind: str) -> Callable[[Bench], Figures]:
    """W1 and W2 with the log in a database server on this machine, which no core is kept for."""

    def measure(bench: Bench) -> Figures:
        on_it = replace(bench, database_url=URLS[kind])
        try:
            one, two = run_ours(on_it, "w1"), run_ours(on_it, "w2")
        except NoServer as error:
            print(f"{kind}: left out, {error}", file=sys.stderr)
            return {}
        figures = {"w1_messages_per_s": one["messages_per_s"], "w1_p99_us": one["p99_us"]}
        figures |= {"w2_deliveries_per_s": two["deliveries_per_s"], "w2_p99_us": two["p99_us"]}
        return figures | {"w1_cpu": one["server_cpu"], "w2_cpu": two["server_cpu"]}

    return measure


OWN: dict[str, Callable[[Bench], Figures]] = {
    "memory": memory,
    "reconnect": reconnect,
    "growth": growth,
    "start": start,
    "storm": storm,
    "catchup": catch_up,
    "postgresql": on_server("postgresql"),
    "mariadb": on_server("mariadb"),
}


def main() -> None:
    """Measure, print a table, and write the figures where they are wanted."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="sotto-bench-", dir=arguments.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)  # ejabberd runs as a user of its own
        program, bare = build(folder)
        bench = Bench(folder, program, bare, arguments.seconds, arguments.database_url)
        figures: dict[str, dict[str, list[Figures]]] = {}
        chosen = [] if arguments.database_url else _installed(bench, arguments.peers)
        for _round in range(arguments.rounds):
            for scenario in arguments.scenarios:
                _measure(bench, scenario, chosen, figures.setdefault(scenario, {}))
    print(show(figures))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures, indent=1))


def _measure(
    bench: Bench, scenario: str, chosen: list[Peer], into: dict[str, list[Figures]]
) -> None:
    if scenario in OWN:
        if OURS not in into:  # the figures of one round say enough
            into[OURS] = [OWN[scenario](bench)]
        return
    into.setdefault(OURS, []).append(run_ours(bench, scenario))
    print(f"{scenario}: {OURS}: {into[OURS][-1]}", file=sys.stderr, flush=True)
    for peer in chosen if scenario in COMMON else ():
        into.setdefault(peer.name, []).append(run_peer(bench, peer, scenario))
        print(f"{scenario}: {peer.name}: {into[peer.name][-1]}", file=sys.stderr, flush=True)


def _installed(bench: Bench, names: str) -> list[Peer]:
    found = []
    for peer in peers(bench.bare):
        if names != "all" and peer.name not in names.split(","):
            continue
        if shutil.which(peer.program) is None:
            print(f"{peer.name}: left out, {peer.program} is not installed", file=sys.stderr)
            continue
        found.append(peer)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.relay", description=__doc__)
    known = [*COMMON, *PACED, *OWN]
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(known))
    parser.add_argument("--peers", default="all", help="names by commas, all, or none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", help="where to write, on the disk that is to be measured")
    parser.add_argument("--database-url", help="ours on this database, without peers")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - set(known)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    arguments.scenarios = arguments.scenarios or known
    return arguments


if __name__ == "__main__":
    main()
