"""Many people who log in with their passwords at once: `python -m bench.relay_storm PORT SECONDS`.

Never the load itself: it waits for answers, nearly all of its time. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

from tests.relay.actors import PASSWORD
from tests.relay.client import connect
from wire.replies import AccountFound

CROWD = 100  # who wait at the same time; more than the relay lets queue


async def storm(port: int, seconds: float) -> dict[str, int]:
    """Log in until the time is over; return what became of the tries that ended."""
    counts = Counter(let_in=0, sent_away=0, unanswered=0)
    end_s = time.monotonic() + seconds
    crowd = [asyncio.create_task(_person(port, f"load{n}", end_s, counts)) for n in range(CROWD)]
    done, waiting = await asyncio.wait(crowd, timeout=seconds)
    for person in waiting:
        person.cancel()
    for person in done:
        person.result()
    return dict(counts)


async def _person(port: int, name: str, end_s: float, counts: Counter[str]) -> None:
    while time.monotonic() < end_s:
        client = await connect(port)
        try:
            answer = await client.log_in(name, password=PASSWORD)
        except TimeoutError:
            counts["unanswered"] += 1
            continue
        finally:
            client.close()
        is_in = isinstance(answer, AccountFound)
        counts["let_in" if is_in else "sent_away"] += 1
        if not is_in:
            await asyncio.sleep(1)  # rather less than they are told


if __name__ == "__main__":
    print(json.dumps(asyncio.run(storm(int(sys.argv[1]), float(sys.argv[2])))))
