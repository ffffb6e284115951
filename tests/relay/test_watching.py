"""An operator hears in time of a full disk and of a certificate's end, and once each."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay import logs
from relay.watching import MIN_FREE_BYTES, Watch
from tests.relay.client import connect, new_device
from tests.relay.live import live, member, run

DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    root = logging.getLogger("sotto")
    before = root.level, root.propagate, root.handlers[:]
    stream = io.StringIO()
    logs.setup("info", "json", stream)
    yield stream
    root.level, root.propagate, root.handlers[:] = before


def said(output: io.StringIO) -> list[tuple[str, int]]:
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    return [(line["event"], line.get("days", line.get("free"))) for line in lines]


def test_a88_a_certificates_end_is_told_at_thirty_seven_and_one_day_and_each_day_after(
    output: io.StringIO,
) -> None:
    watch = Watch(free_bytes=lambda: 1 << 40, ends_at_s=lambda: NOW_S)
    for half_days in range(80, -5, -1):
        watch.look(NOW_S - half_days * DAY_S / 2 + 1)
    assert said(output) == [("certificate ends", days) for days in (29, 6, 0, -1, -2, -3)]


def test_a88_a_renewed_certificate_is_another_one(output: io.StringIO) -> None:
    ends = [NOW_S + DAY_S / 2]
    watch = Watch(free_bytes=lambda: 1 << 40, ends_at_s=lambda: ends[0])
    watch.look(NOW_S)
    ends[0] += 90 * DAY_S
    watch.look(NOW_S)
    assert len(said(output)) == 1
    watch.look(NOW_S + 89.9 * DAY_S)
    assert len(said(output)) == 2


def test_a89_a_disk_that_fills_and_empties_is_told_once_each_time(output: io.StringIO) -> None:
    free = [MIN_FREE_BYTES]
    watch = Watch(free_bytes=lambda: free[0], ends_at_s=lambda: float("inf"))
    for _ in range(1000):
        free[0] = MIN_FREE_BYTES - 1
        for _look in range(3):
            watch.look(NOW_S)
        assert watch.is_disk_low
        free[0] = MIN_FREE_BYTES
        watch.look(NOW_S)
        assert not watch.is_disk_low
    assert [event for event, _ in said(output)] == ["disk nearly full", "disk has room"] * 1000


def test_a89_a_nearly_full_disk_takes_nobody_new_and_keeps_those_who_are_here(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            alice = new_device("alice")
            first = await connect(relay.port)
            await first.register(alice)
            relay.relay.services.watch.is_disk_low = True
            second = await connect(relay.port)
            refused = await second.register(new_device("bob"))
            assert (refused.code, "disk" in refused.text) == ("unavailable", True)
            third = await connect(relay.port)
            assert (await third.resume(alice)).account == "alice"
            relay.relay.services.watch.is_disk_low = False
            await member(relay, "bob")

    run(scenario())
