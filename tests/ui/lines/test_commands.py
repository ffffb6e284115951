"""A typed line to what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.lines.actions import ACTIONS
from ui.lines.commands import (
    BY_NAME,
    Command,
    Line,
    Mistake,
    Nothing,
    Private,
    Text,
    ToRoom,
    help_lines,
    holds_secret,
    parse_line,
    seconds,
)

NAMES_OF_THE_DESIGN = (
    "help msg query join leave create invite remove password owner members who rooms switch "
    "history search verify unverify safety accept trust devices kick ban unban mute unmute promote "
    "demote announce users audit me status reconnect clear logout quit"
).split()


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [
        ("", Nothing()),
        ("   \r\n", Nothing()),
        ("hello you", Text("hello you")),
        ("  indented", Text("  indented")),
        ("//me waves", Text("/me waves")),
        ("@bob: hi there", Private("bob", "hi there")),
        ("@bob hi", Private("bob", "hi")),
        ("@bob:", Text("@bob")),
        ("/quit", Command("quit", ())),
        ("/EXIT", Command("quit", ())),
        ("/exit", Command("quit", ())),
        ("exit server!", Command("quit", ())),
        ("/whoami", Command("me", ())),
        ("/kick bob too loud", Command("kick", ("bob", "too loud"))),
        ("/ban bob 7d spam a lot", Command("ban", ("bob", "7d", "spam a lot"))),
        ("/join den my pass word", Command("join", ("den", "my pass word"))),
        ("create-group den Passw0rd", Command("create", ("den", "Passw0rd"))),
        ("join-group den Passw0rd", Command("join", ("den", "Passw0rd"))),
        ("send-to-group den hello all", ToRoom("den", "hello all")),
    ],
)
def test_a_line_means(typed: str, meaning: Line) -> None:
    assert parse_line(typed) == meaning


@pytest.mark.parametrize(
    "typed",
    ["/frobnicate", "/kick", "/msg bob", "/quit now", "kick", "ban", "quit", "kick bob", "@", "/"],
)
def test_what_is_not_understood_is_never_sent(typed: str) -> None:
    assert isinstance(parse_line(typed), Mistake)


@given(st.text(max_size=40))
def test_a_slash_line_is_never_text(rest: str) -> None:
    meaning = parse_line("/" + rest)
    assert not isinstance(meaning, Text) or rest.startswith("/")


def test_a_near_miss_is_pointed_at() -> None:
    meaning = parse_line("/histroy")
    assert isinstance(meaning, Mistake)
    assert "/history" in meaning.text


@pytest.mark.parametrize("name", NAMES_OF_THE_DESIGN)
def test_every_command_of_the_design_exists_and_acts(name: str) -> None:
    assert name in BY_NAME
    assert name in ACTIONS
    assert any(f"/{name}" in line for line in help_lines(name))


def test_every_action_has_a_command() -> None:
    assert set(ACTIONS) == set(BY_NAME)


def test_help_fits_a_small_terminal() -> None:
    assert len(help_lines()) < 22
    assert all(len(line) <= 80 for line in help_lines())


@pytest.mark.parametrize(
    ("typed", "value"),
    [("90s", 90), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("0d", None), ("d", None)],
)
def test_times(typed: str, value: int | None) -> None:
    assert seconds(typed) == value


@pytest.mark.parametrize("typed", ["spam", "-1d", "1e3d", "٣d", "99999999d"])
def test_what_is_no_time(typed: str) -> None:
    assert seconds(typed) is None


@pytest.mark.parametrize(
    ("typed", "is_secret"),
    [
        ("/join den Passw0rd", True),
        ("join-group den Passw0rd", True),
        ("create-group den Passw0rd", True),
        ("/password den Passw0rd", True),
        ("login bob Passw0rd", True),
        ("/kick bob", False),
        ("hello", False),
    ],
)
def test_lines_with_passwords_stay_out_of_the_history(typed: str, is_secret: bool) -> None:
    assert holds_secret(typed) is is_secret
