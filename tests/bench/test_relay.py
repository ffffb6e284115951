"""The relay's bench measures what it says: a short round over real sockets, with nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.relay_databases import NoServer, empty_database
from bench.relay_table import show
from tests.processes import ROOT


def can_build() -> bool:
    return (
        shutil.which("gcc") is not None
        and shutil.which("taskset") is not None
        and Path("/usr/include/openssl/ssl.h").exists()
        and (os.cpu_count() or 1) > 1
    )


@pytest.mark.skipif(not can_build(), reason="needs gcc, OpenSSL's headers, taskset and two cores")
def test_a_round_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, "-m", "bench.relay", "w1", "w2", "catchup"]
    command += ["--peers", "none", "--rounds", "1"]
    command += ["--seconds", "0.5", "--folder", str(tmp_path), "--json", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    for scenario, readers in (("w1", 1), ("w2", 99)):
        (ours,) = figures[scenario]["Sotto"]
        assert ours["lost"] == 0
        assert ours["messages_per_s"] > 0
        assert ours["deliveries_per_s"] > 0.5 * readers * ours["messages_per_s"]
    (caught_up,) = figures["catchup"]["Sotto"]
    assert caught_up["entries"] == 10_000 + 1  # and the commit that let the device in
    assert "Sotto" in done.stdout


def test_a_database_server_that_is_absent_is_left_out() -> None:
    wrong = "postgresql://nobody@127.0.0.1:1/test"
    with pytest.raises(NoServer, match="no postgresql at"), empty_database(wrong):
        pytest.fail("a database where no server is")
    assert "left out" in show({"postgresql": {"Sotto": [{}]}})


def test_the_table_has_ratios_beside_their_aims() -> None:
    common = {"p50_us": 1.0, "p99_us": 2.0, "server_cpu": 1.0, "load_cpu": 0.5}
    ours = [{"messages_per_s": rate, **common} for rate in (100.0, 300.0, 200.0)]
    theirs = [{"messages_per_s": rate, **common} for rate in (50.0, 100.0, 50.0)]
    text = show({"w1": {"Sotto": ours, "ejabberd": theirs}, "start": {"Sotto": [{"start_s": 0.4}]}})
    assert "3.00 x (aim 6)" in text
    assert "(aim < 1)" in text
