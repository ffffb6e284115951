"""What a group of 1000 weighs in a member's memory: leaves with Sotto's real certificate chains.

Fresh processes join it by Welcome from the tree's objects, as the engine does: one counts with
tracemalloc what goes when the group is let go of, another looks at its resident size.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec

from bench.mls_peers import ours
from bench.mls_rounds import ROOT
from crypto.mls.group import (
    Group,
    KeyPackage,
    OwnKeyPackage,
    RatchetTree,
    create,
    from_rows,
    make_key_package,
    open_welcome,
    rows,
)
from crypto.mls.proposals import Add
from crypto.mls.suite import SUITE_1
from engine.group_policy import extensions_of
from tests.engine.table import RELAY, Person
from wire.policy import LOBBY_POLICY

AIM_MB = 6


class _Arrived(msgspec.Struct):
    """What a newcomer has: the Welcome, its own KeyPackage, and the tree's nodes."""

    welcome: bytes
    own: bytes
    objects: list[bytes]


def measure(*, members: int) -> tuple[list[str], dict[str, Any]]:
    """Lines to print, and the same for programs."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "arrived"
        path.write_bytes(msgspec.msgpack.encode(_arrived(members)))
        weights = {**_child("counted", path), **_child("resident", path)}
    lines = [
        f"memory of a group of {members}, x509 leaves (aim {AIM_MB} MB)",
        *(f"  {what:<46}{megabytes:8.2f} MB" for what, megabytes in weights.items()),
    ]
    return lines, {"members": members, "aim_mb": AIM_MB, "weights_mb": weights}


def _arrived(members: int) -> _Arrived:
    founder, *others = [Person.named(f"person-{number}").device() for number in range(members)]
    now_s = int(time.time())
    packages = [make_key_package(SUITE_1, one.leaf_config(now_s)) for one in others]
    group, _ = create(
        suite=SUITE_1,
        group_id=os.urandom(16),
        config=founder.leaf_config(now_s),
        extensions=extensions_of(LOBBY_POLICY, relay_key=RELAY.public),
    )
    adds = [Add(KeyPackage.decode(package.encoded)) for package in packages]
    commit = group.draft(adds).finish(signer=founder.signer)
    assert commit.welcome is not None
    return _Arrived(commit.welcome, packages[-1].to_bytes(), list(commit.group.tree.objects()))


def _child(what: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.mls_memory", what, str(path)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _joined(path: Path) -> Group:
    arrived = msgspec.msgpack.decode(path.read_bytes(), type=_Arrived)
    own = OwnKeyPackage.from_bytes(arrived.own)
    opened = open_welcome(arrived.welcome, {own.reference: own})
    objects = {SUITE_1.hash(data): data for data in arrived.objects}
    return opened.join(RatchetTree.from_objects(SUITE_1, opened.tree_hash, objects))


def _counted(path: Path) -> dict[str, float]:
    """By tracemalloc: what goes when the group goes, what the caches hold, the same from rows."""
    tracemalloc.start()
    group: Group | None = _joined(path)
    with_caches = _traced_mb()
    ours.forget()
    joined = _traced_mb()
    assert group is not None
    stored = rows(group)
    group = None
    bare = _traced_mb()
    group = from_rows(stored)
    stored.clear()
    loaded = _traced_mb()
    stored = rows(group)  # as heavy as they were in `bare`
    group = None
    again = _traced_mb()
    stored.clear()
    empty = _traced_mb()
    return {
        "tracemalloc: the group after joining": joined - (bare - (again - empty)),
        "tracemalloc: the group from its rows": loaded - empty,
        "tracemalloc: caches that joining filled": with_caches - joined,
    }


def _resident(path: Path) -> dict[str, float]:
    """By the resident size, after freed memory went back."""
    before = _resident_mb()
    group = _joined(path)
    after = _resident_mb()
    assert group.epoch == 1
    return {"resident: growth of the process, all told": after - before}


def _traced_mb() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1e6


def _resident_mb() -> float:
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


if __name__ == "__main__":
    weigh = {"counted": _counted, "resident": _resident}[sys.argv[1]]
    print(json.dumps(weigh(Path(sys.argv[2]))))
