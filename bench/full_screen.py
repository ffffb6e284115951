"""The full-screen face with 100,000 stored messages: how soon it paints, shows, answers and finds.

Whole processes on a pseudo-terminal; every time is from a byte written to a byte read. Prints
milliseconds; `python -m bench.full_screen [MESSAGES]`.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from engine.profile import Profile
from engine.session import Session
from storage.client.schema import timeline
from tests.engine.test_session import NoKeyring
from tests.processes import PASSWORD, People, Relay
from tests.raw_terminal import Screen

MESSAGES = 100_000
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "wizards",
    "brew",
    "potent",
    "tea",
]
LAST = "the-very-last-line"
RUNS = 5
KEYS = "ÄÖÜßÐÞŁŒŠŽĐŦŊĦĄĘĮŲČĖ"
RATE = 200  # messages a second that arrive while keys are pressed


async def fill(folder: Path, relay: Relay, count: int) -> None:
    """Register, make a second room, and store messages in the lobby as if they had arrived."""
    keyring: Any = NoKeyring()
    session = Session(Profile(folder, keyring=keyring), server=relay.server)
    await session.register("reader", PASSWORD, trust="tofu")
    await session.create_room(name="other")
    for number in range(30):
        await session.send(to="#other", text=f"other {number}", wait="stored")
    await session.send(to="#lobby", text="first")
    await session.sync()
    lobby = session._open().messenger.hub.need("#lobby").value.id
    now = session.now_ms()

    def work(connection: Any) -> None:
        rows = [
            {
                "conversation": lobby,
                "seq": -count + number,
                "kind": "message",
                "message_id": number.to_bytes(16, "big"),
                "sender": ("anna", "bert", "carl")[number // 3 % 3],
                "sender_device": b"d" * 16,
                "sent_at_ms": now - (count - number) * 20_000,
                "arrived_at_ms": now - (count - number) * 20_000,
                "text": " ".join(WORDS[(number * 7 + n) % len(WORDS)] for n in range(14))
                + f" n{number} u{number * 7}",
                "state": "stored",
                "extra": b"",
            }
            for number in range(count)
        ]
        for at in range(0, count, 5000):
            connection.execute(insert(timeline), rows[at : at + 5000])

    await session._open().context.store.run(work)
    await session.send(to="#lobby", text=LAST)
    await session.sync()
    await session.close()


def starts(folder: Path, relay: Relay) -> dict[str, float]:
    """Return first paint and unlocked timeline, medians."""
    paints, shows = [], []
    for _ in range(RUNS):
        screen = Screen(folder, relay)
        paints.append(screen.seen("Opening") - screen.began)
        shows.append(screen.seen(LAST) - screen.began)
        screen.seen("connected to")
        screen.close()
    return {"first paint": _ms(paints), "unlocked timeline": _ms(shows)}


def _ms(values: list[float]) -> float:
    return statistics.median(values) * 1000


def _many(count: int, work: Callable[[int], float]) -> list[float]:
    return sorted(work(number) for number in range(count))


def answers(folder: Path, relay: Relay, everybody: People) -> dict[str, float]:
    """Return how soon keys, switches and searches answer, and the memory at the end."""
    screen = Screen(folder, relay)
    screen.seen("connected to")

    def switch(number: int) -> float:
        time.sleep(0.3)
        at = screen.key("\x1b[1;5B")
        return screen.seen("other 29" if number % 2 == 0 else LAST, after=at) - at

    switches = _many(20, switch)
    screen.key("\x1bOS")
    screen.seen("type to narrow")

    def search(number: int) -> float:
        time.sleep(0.4)
        wanted = f"n{1_700 + number * 10}"
        for character in wanted[:-1]:
            screen.key(character)
            time.sleep(0.03)
        time.sleep(0.4)
        at = screen.key(wanted[-1])
        took = screen.seen(f"u{int(wanted[1:]) * 7}", after=at) - at
        screen.key("\x15")
        return took

    searches = _many(10, search)
    screen.key("\x1b")
    time.sleep(0.5)
    for _ in range(200):
        screen.key("\x1b[5~")
        time.sleep(0.02)
    time.sleep(1.0)
    scrolled = screen.memory_mb()
    screen.seen(LAST, after=screen.key("\x1b[1;5F"))
    writer = everybody.join("writer")
    stop = threading.Event()
    threading.Thread(target=_write, args=(writer, stop), daemon=True).start()
    screen.seen("flood 100")
    screen.forget()

    def press(number: int) -> float:
        time.sleep(0.04 + 0.013 * (number % 5))
        if number % 20 == 0:
            screen.key("\x15")
            time.sleep(0.1)
            screen.forget()
        character = KEYS[number % len(KEYS)]
        at = screen.key(character)
        return screen.seen(character, after=at) - at

    presses = _many(300, press)
    stop.set()
    memory = screen.memory_mb()
    screen.key("\x15")
    screen.close()
    return {
        "switching": _ms(switches),
        "search": _ms(searches),
        "key to screen, median": _ms(presses),
        "key to screen, 99th": presses[int(len(presses) * 0.99)] * 1000,
        "memory after scrolling, MB": scrolled,
        "memory at the end, MB": memory,
    }


def _write(writer: Any, stop: threading.Event) -> None:
    number, began = 0, time.perf_counter()
    while not stop.is_set():
        writer.call("send", to="#lobby", text=f"flood {number}", wait="stored")
        number += 1
        ahead = began + number / RATE - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MESSAGES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Relay(folder) as relay:
            everybody = People(folder, relay)
            asyncio.run(fill(folder / "reader", relay, count))
            found = starts(folder / "reader", relay)
            found |= answers(folder / "reader", relay, everybody)
            everybody.end()
    for what, value in found.items():
        print(f"{what:<28} {value:8.1f}")


if __name__ == "__main__":
    main()
