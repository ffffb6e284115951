"""ui.lines.reasons: every cause in words, harmless, with what helps."""

from __future__ import annotations

import pytest

from ui.lines.reasons import _REASONS, explained


@pytest.mark.parametrize("code", [*_REASONS, "J-15", "wrong_signature", "\x1b[2J"])
@pytest.mark.parametrize("sender", ["bob", ""])
def test_every_code_has_a_cause_and_a_repair(code: str, sender: str) -> None:
    line = {
        "kind": "unreadable",
        "text": code,
        "sender": sender,
        "display": sender,
        "seq": 7,
        "arrived_at_ms": 1_764_000_000_000,
    }
    for where in ("#den", "@bob"):
        shown = explained(line, where)
        assert shown[0].startswith(f"Entry 7 of {where}")
        assert len(shown) == 3
        assert "What helps: " in shown[2]
        assert "{" not in "".join(shown)
        assert "\x1b" not in "".join(shown)


def test_a_gap_and_a_notice() -> None:
    gap = {"kind": "gap", "text": "2", "sender": "bob", "display": "Bob", "seq": 3}
    assert "/msg Bob Please send it again." in explained(gap | {"arrived_at_ms": 0}, "#den")[2]
    notice = {"kind": "notice", "text": "frozen", "sender": "", "display": "", "seq": None}
    assert explained(notice | {"arrived_at_ms": 0}, "#den")[1] == "  frozen"
