"""How long a private message takes, from one client's request to the other's notification.

Real processes on one machine: relay and both clients store durably (fsync) before they go on.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.processes import people

MESSAGES = 200
WARM = 20


def main() -> None:
    """Print the median and the slowest of the messages, one at a time."""
    with tempfile.TemporaryDirectory() as name, people(Path(name)) as everybody:
        alice, bob = everybody.join("alice"), everybody.join("bob")
        took = []
        for number in range(WARM + MESSAGES):
            begun = time.perf_counter()
            alice.call("send", to="@bob", text=f"message {number}")
            bob.wait_for("message", text=f"message {number}")
            took.append((time.perf_counter() - begun) * 1000)
        took = sorted(took[WARM:])
        print(
            f"private message, shown elsewhere   {statistics.median(took):8.1f} ms"
            f"   (99th percentile {took[int(MESSAGES * 0.99)]:.1f}, {MESSAGES} messages)"
        )


if __name__ == "__main__":
    main()
