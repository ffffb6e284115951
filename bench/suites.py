"""What the hybrid suite costs beside the classical one: messages, first words, a lobby, bytes.

Both suites run at the same time and in turns, so that what else the machine does hits both alike.
Real processes for what people wait for; the lobby's crowd are sessions of this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from crypto.mls.key_package import make_key_package
from crypto.mls.suite import suite_by_number
from engine import joining
from engine.arriving import Arriving
from engine.hub import Hub
from engine.live import Live
from engine.profile import Profile
from engine.session import Session
from tests.processes import PASSWORD, JsonClient, Relay, people
from wire.codec import encode
from wire.suites import CLASSICAL, HYBRID, SUITE_NAMES

MESSAGES, WARM = 200, 20
CONTACTS = 12
CROWD, JOINS = 48, 12
ORDER = (CLASSICAL, HYBRID)


def main() -> None:
    """Print a line for each figure: the classical suite, then the hybrid one."""
    print(f"{'':46}{'classical':>14}{'hybrid':>14}")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        clients = {suite: list(_clients(stack, Path(name), suite)) for suite in ORDER}
        _messages({suite: (found[0], found[1]) for suite, found in clients.items()})
        _first_words(clients)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(_lobbies(Path(name)))


def _show(what: str, figures: dict[int, float], unit: str) -> None:
    columns = "".join(f"{figures[suite]:>11.1f} {unit:<2}" for suite in ORDER)
    print(f"{what:46}{columns}")


def _clients(stack: contextlib.ExitStack, folder: Path, suite: int) -> Iterator[JsonClient]:
    """Whoever writes first, who answers, and people whom nobody has written to."""
    place = folder / SUITE_NAMES[suite]
    place.mkdir()
    everybody = stack.enter_context(people(place))
    for name in ("alice", "bob", *(f"contact{n}" for n in range(CONTACTS))):
        client = everybody.open(name, SOTTO_SUITE=SUITE_NAMES[suite])
        client.register(name)
        client.settle()
        yield client


def _messages(pairs: dict[int, tuple[JsonClient, JsonClient]]) -> None:
    took: dict[int, list[float]] = {suite: [] for suite in ORDER}
    for number in range(WARM + MESSAGES):
        for suite, (alice, bob) in pairs.items():
            begun = time.perf_counter()
            alice.call("send", to="@bob", text=f"message {number}")
            bob.wait_for("message", text=f"message {number}")
            took[suite].append((time.perf_counter() - begun) * 1000)
    settled = {suite: sorted(each[WARM:]) for suite, each in took.items()}
    _show("private message, median", _medians(settled), "ms")
    late = {suite: each[int(MESSAGES * 0.99)] for suite, each in settled.items()}
    _show("private message, 99th percentile", late, "ms")


def _first_words(clients: dict[int, list[JsonClient]]) -> None:
    took: dict[int, list[float]] = {suite: [] for suite in ORDER}
    for number in range(CONTACTS):
        for suite, (alice, _, *others) in clients.items():
            begun = time.perf_counter()
            alice.call("send", to=f"@contact{number}", text="hello")
            others[number].wait_for("message", text="hello")
            took[suite].append((time.perf_counter() - begun) * 1000)
    _show("first message to a new contact, median", _medians(took), "ms")


def _medians(took: dict[int, list[float]]) -> dict[int, float]:
    return {suite: statistics.median(each) for suite, each in took.items()}


async def _lobbies(folder: Path) -> None:
    """Fill one lobby of each suite, in turns; the last who come are measured."""
    took: dict[int, list[float]] = {suite: [] for suite in ORDER}
    sent: dict[int, list[float]] = {suite: [] for suite in ORDER}
    packages: dict[int, float] = {}
    enter, send = Arriving._enter_lobby, joining._send
    current = CLASSICAL

    async def timed(self: Arriving) -> None:
        begun = time.perf_counter()
        await enter(self)
        took[current].append((time.perf_counter() - begun) * 1000)

    async def weighed(hub: Hub, live: Live, value: joining.Joining) -> bool:
        sent[current].append(len(encode(value.frame)) / 1024)
        return await send(hub, live, value)

    Arriving._enter_lobby, joining._send = timed, weighed  # type: ignore[method-assign]
    with contextlib.ExitStack() as stack:
        relays = {}
        for suite in ORDER:
            place = folder / SUITE_NAMES[suite]
            place.mkdir()
            relays[suite] = stack.enter_context(Relay(place))
        for number in range(CROWD + JOINS):
            for current in ORDER:
                place = folder / f"{SUITE_NAMES[current]}{number}"
                session = Session(Profile(place), server=relays[current].server, suite=current)
                await session.register(f"person{number}", PASSWORD, trust="tofu")
                keys = session._open().keys
                made = make_key_package(suite_by_number(current), keys.leaf_config(1))
                packages[current] = len(made.encoded) / 1024
                await session.close()
    last = {suite: each[-JOINS:] for suite, each in took.items()}
    _show(f"entering a lobby of {CROWD} devices, median", _medians(last), "ms")
    frames = {suite: statistics.median(each[-JOINS:]) for suite, each in sent.items()}
    _show("that commit, with GroupInfo and tree nodes", frames, "KB")
    _show("a KeyPackage, Ed25519 identity", packages, "KB")


if __name__ == "__main__":
    main()
