"""The dashboard asks for metrics that the relay has."""

from __future__ import annotations

import json
import re
from pathlib import Path

from relay.metrics import Metrics, registry_of
from tests.processes import ROOT
from tests.relay.live import live, run

DASHBOARD = json.loads((ROOT / "deploy" / "grafana.json").read_text())


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_every_metric_that_is_asked_for_exists(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            registry = registry_of(relay.relay.services.metrics)
            known = {sample.name for metric in registry.collect() for sample in metric.samples}
            asked = {name for e in expressions() for name in re.findall(r"sotto_\w+", e)}
            assert asked - known == set()

    run(scenario())


def test_every_counter_is_looked_at_somewhere() -> None:
    text = " ".join(expressions())
    counted = {
        sample.name
        for metric in registry_of(Metrics()).collect()
        if metric.type == "counter"
        for sample in metric.samples
    }
    assert {name for name in counted if name not in text} <= {"sotto_connections_total"}


def test_panels_do_not_lie_upon_each_other() -> None:
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
