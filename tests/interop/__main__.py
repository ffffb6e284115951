"""Runs sessions: python -m tests.interop --seeds 20.

Prints one line a session, and a sum at the end; stops at the first disagreement.
"""

import argparse
import sys
import time
from collections import Counter

from tests.interop.peer import Peer, missing
from tests.interop.session import Session


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many sessions")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--suite", type=int, default=1, help="number in the registry")
    asked = parser.parse_args()
    if (reason := missing()) is not None:
        print(f"interop: {reason}", file=sys.stderr)
        return 1
    happened: Counter[tuple[str, str]] = Counter()
    begun = time.monotonic()
    with Peer() as peer:
        for seed in range(asked.first, asked.first + asked.seeds):
            started = time.monotonic()
            session = Session(peer, seed, asked.suite)
            session.run(asked.epochs)
            happened += session.happened
            took = time.monotonic() - started
            told = f"{session.epoch} epochs, at most {session.largest} members"
            print(f"seed {seed}: {told}, {took:.1f} s", flush=True)
    for (event, by), times in sorted(happened.items()):
        print(f"{times:7d} {event} by {by}")
    print(f"interop: {asked.seeds} sessions agree, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
