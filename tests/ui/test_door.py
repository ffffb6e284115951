"""The client's flags, and what the environment says where a flag does not."""

from __future__ import annotations

import pytest

from ui.door import main, parser
from wire.suites import DEFAULT_SUITE, SUITE_NAMES


def test_the_suite_is_a_flag_or_the_environments_or_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SOTTO_SUITE", raising=False)
    assert parser().parse_args([]).suite == SUITE_NAMES[DEFAULT_SUITE] == "hybrid"
    monkeypatch.setenv("SOTTO_SUITE", "classical")
    assert parser().parse_args([]).suite == "classical"
    assert parser().parse_args(["--suite", "hybrid"]).suite == "hybrid"
    with pytest.raises(SystemExit):
        parser().parse_args(["--suite", "weak"])
    capsys.readouterr()
    monkeypatch.setenv("SOTTO_SUITE", "weak")
    assert main(["--json"]) == 1
    assert capsys.readouterr().err == "A suite is hybrid or classical.\n"
