"""Events as lines: what a person reads, and nothing hostile in it."""

from __future__ import annotations

import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events
from ui.lines.render import render, until
from wire.pushes import NoticeKind

CURRENT = "#lobby"


def shown(event: events.Event) -> str:
    line = render(event, current=CURRENT, account="alice")
    assert line is not None
    return line


def message(text: str, *, conversation: str = CURRENT, sender: str = "bob") -> events.Message:
    return events.Message(
        conversation=conversation,
        id="00" * 16,
        seq=1,
        sender=sender,
        text=text,
        sent_at_ms=0,
        direct=False,
    )


def test_a_message_of_the_current_conversation_has_no_label() -> None:
    assert shown(message("hi")).endswith(" bob: hi")
    assert "[" not in shown(message("hi"))


def test_a_message_from_elsewhere_says_where() -> None:
    assert "[@bob] bob: psst" in shown(message("psst", conversation="@bob"))


def test_missing_messages_are_shown_as_a_gap() -> None:
    line = shown(msgspec.structs.replace(message("hi"), missing=2))
    assert "2 of bob's messages never arrived" in line


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.Presence(name="bob", online=True), "bob joined"),
        (events.Presence(name="bob", online=False), "bob left"),
        (events.Kicked(by="admin", text="loud"), "You were kicked by admin (loud)"),
        (events.Banned(by="admin"), "You are banned by admin for good"),
        (events.Muted(until_ms=0), "You may write again"),
        (
            events.Membership(conversation=CURRENT, name="bob", change="removed", by="relay"),
            "bob was removed by the relay",
        ),
        (
            events.Notice(kind=NoticeKind.KICKED, name="bob", by="admin"),
            "bob was kicked by admin",
        ),
        (events.Outgoing(id="x", state="failed", code="banned", text="bob is banned"), "Not deliv"),
        (
            events.IdentityChanged(name="bob", old_fingerprint="o" * 43, new_fingerprint="n" * 43),
            "/accept bob",
        ),
        (events.Disconnected(code="not_connected", retry_in_s=None), "/reconnect"),
    ],
)
def test_an_event_reads(event: events.Event, words: str) -> None:
    assert words in shown(event)


def test_the_banner_of_a_banned_person_names_the_end() -> None:
    assert until(-1) == " for good"
    assert until(0) == ""


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_a75_no_field_of_any_event_reaches_the_screen_raw(a: str, b: str, c: str) -> None:
    hostile: list[events.Event] = [
        message(a, conversation=f"#{b}", sender=c),
        events.Membership(conversation=a, name=b, change="removed", by=c, reason=a),
        events.Presence(name=a, online=True, display=b),
        events.Notice(kind="announcement", text=a, by=b),
        events.Notice(kind="warning", text=c, conversation=b),
        events.Kicked(by=a, text=b),
        events.Outgoing(id="x", state="failed", conversation=a, code=b, text=c),
        events.Unreadable(conversation=a, seq=1, code=b, sender=c),
        events.IdentityChanged(name=a, old_fingerprint=b, new_fingerprint=c),
        events.Disconnected(code=a, text=b),
    ]
    for event in hostile:
        line = render(event, current=CURRENT, account="alice") or ""
        assert all(unicodedata.category(x) != "Cc" for x in line.replace("\n", ""))
        assert not set(line) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u200e\u200f")
