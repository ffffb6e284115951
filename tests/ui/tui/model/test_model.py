"""ui.tui.model: rows of a width, Markdown, items, windows, completion, what was typed."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.tui.filter import OBEYED
from ui.tui.model.completion import candidates, with_emoji
from ui.tui.model.items import Item, Kind, mentions, said, stored_item, waiting_item
from ui.tui.model.layout import layout
from ui.tui.model.markdown import layout as markdown
from ui.tui.model.rooms import Room, Rooms
from ui.tui.model.spans import Span, cells, cut, fit, plain, row_cells, row_text, wrap
from ui.tui.model.typed import MAX_LINES, Typed
from ui.tui.model.window import MAX_ITEMS, TRIM_TO, Window

NOON = 1_764_000_000_000


def texts(rows: list[Any]) -> list[str]:
    return [row_text(row) for row in rows]


# Rows.


@given(st.text(max_size=300), st.integers(1, 60))
def test_no_row_is_wider_than_its_width_and_no_word_is_lost(text: str, width: int) -> None:
    harmless = plain(text)
    rows = wrap([Span(harmless)], width)
    # A sign of two cells cannot be broken for a width of one.
    assert all(row_cells(row) <= max(width, 2) for row in rows)
    kept = "".join("".join(texts(rows)).split())
    assert kept == "".join(harmless.split())


def test_words_stay_whole_and_styles_with_them() -> None:
    rows = wrap([Span("one two "), Span("three", "bold"), Span(" four")], 9)
    assert texts(rows) == ["one two", "three", "four"] or texts(rows) == [
        "one two ",
        "three",
        "four",
    ]
    assert [span.style for row in rows for span in row if span.text.strip() == "three"] == ["bold"]
    assert texts(wrap([Span("abcdefghij")], 4)) == ["abcd", "efgh", "ij"]
    assert cells("漢字") == 4
    assert cut("漢字漢字", 5) == "漢字…"
    assert fit("ab", 4, right=True) == "  ab"


# Markdown.


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("plain text", ["plain text"]),
        ("two\nlines", ["two", "lines"]),
        ("**b** *i* `c` ~~s~~", ["b i c s"]),
        ("> quoted", ["▎ quoted"]),
        ("- a\n- b", ["• a", "• b"]),
        ("3. a\n4. b", ["3. a", "4. b"]),
        ("# head", ["head"]),
        ("[here](https://a.b/c)", ["here (https://a.b/c)"]),
        ("[https://a.b](https://a.b)", ["https://a.b"]),
        ("<b>no</b> <script>", ["<b>no</b> <script>"]),
        ("snake_case_name", ["snake_case_name"]),
        ("[/foo] [@click=app.quit]x[/]", ["[/foo] [@click=app.quit]x[/]"]),
        ("&#x202e; &amp; *x*", ["&#x202e; &amp; x"]),
        ("![alt](https://a.b/c.png) *x*", ["!alt (https://a.b/c.png) x"]),
        ("a\n\nb", ["a", "", "b"]),
        ("```python\nx = 1\n\ny\n```", ["│ x = 1", "│ ", "│ y"]),
        ("```\nno `end`", ["│ no `end`"]),
    ],
)
def test_markdown_as_rows(typed: str, shown: list[str]) -> None:
    assert texts(markdown(typed, 40)) == shown


def test_code_is_coloured_where_the_language_is_known() -> None:
    styles = {s.style for row in markdown("```python\ndef f(): return 1\n```", 60) for s in row}
    assert {"code-keyword", "code-number"} <= styles
    unknown = {s.style for row in markdown("```nonsense\ndef f()\n```", 60) for s in row}
    assert unknown == {"quote", "code"}


@given(st.text(alphabet=st.characters(), max_size=400), st.integers(20, 80))
def test_no_markdown_makes_a_row_too_wide_or_obeyed(text: str, width: int) -> None:
    for row in markdown(plain(text, keep_newlines=True), width):
        assert row_cells(row) <= width
        assert not OBEYED.search(row_text(row))


# Items and their rows.


def line(**more: Any) -> dict[str, Any]:
    base = {
        "row": 1,
        "kind": "message",
        "seq": 1,
        "sender": "bob",
        "display": "Bob",
        "text": "hi",
        "sent_at_ms": NOON,
        "arrived_at_ms": NOON,
        "own": False,
        "state": "stored",
        "conversation": "#den",
    }
    return base | more


def item(**more: Any) -> Item:
    found = stored_item(line(**more), account="alice")
    assert found is not None
    return found


def test_stored_lines_become_items() -> None:
    assert item(text="hey @Alice!").mention
    assert not item(text="hey @alicenot").mention
    assert mentions("(@alice)", "alice")
    assert item(own=True, sender="alice").name == "you"
    told = item(kind="membership", change="invited", by="carol", reason="", text="invited")
    assert (told.kind, told.text) == (Kind.TOLD, "Bob was brought in by carol")
    assert item(kind="gap", text="2").text == "2 of Bob's messages never arrived"
    assert item(kind="unreadable", text="misplaced").is_trouble
    assert item(kind="device", text="ab" * 16).text.startswith("bob has a new device")
    lobby = line(kind="membership", change="joined", by="", reason="", conversation="#lobby")
    assert stored_item(lobby, account="alice") is None
    assert item(kind="notice", sender="", text="frozen").kind is Kind.WARNING
    assert said("*** no", at_ms=1).kind is Kind.WARNING


@pytest.mark.parametrize("width", [24, 40, 56, 140])
def test_a_message_says_when_who_and_what_became_of_it(width: int) -> None:
    rows = layout(item(), None, width, is_first_unread=False)
    shown = "\n".join(texts(rows))
    assert "November 20" in shown
    assert "Bob" in shown
    assert "│ hi" in shown
    waiting = waiting_item({"id": "x", "text": "mine", "state": "queued", "sent_at_ms": NOON})
    mine = "\n".join(texts(layout(waiting, item(), width, is_first_unread=True)))
    assert "┃ mine" in mine
    assert "waiting" in mine
    assert "new messages" in mine
    lost = waiting_item(
        {"id": "x", "text": "m", "state": "failed", "code": "muted", "sent_at_ms": NOON}
    )
    assert "not sent: muted" in " ".join(
        "".join(texts(layout(lost, item(), width, is_first_unread=False))).split()
    ).replace("┃ ", "")
    for row in rows:
        assert row_cells(row) <= width


def test_messages_of_one_person_stand_under_one_name() -> None:
    second = texts(layout(item(row=2), item(), 60, is_first_unread=False))
    assert all("Bob" not in row for row in second)
    later = texts(layout(item(row=2, sent_at_ms=NOON + 600_000), item(), 60, is_first_unread=False))
    assert any("Bob" in row for row in later)


@given(st.text(max_size=200), st.text(max_size=60), st.integers(20, 100))
def test_hostile_messages_stay_in_their_rows(text: str, name: str, width: int) -> None:
    for row in layout(item(text=text, display=name), None, width, is_first_unread=False):
        assert row_cells(row) <= width
        assert not OBEYED.search(row_text(row))
        assert all(unicodedata.category(c) != "Cs" for c in row_text(row))


# Windows.


def test_a_window_knows_its_ends_and_stays_bounded() -> None:
    window = Window("#den")
    window.append(item(row=n, seq=n) for n in range(100, 110))
    assert (window.first_row, window.last_row, window.last_seq) == (100, 109, 109)
    assert window.append([item(row=109, seq=109)]) == 0
    assert window.prepend([item(row=n, seq=n) for n in range(95, 101)]) == 5
    window.append([said("--- note", at_ms=NOON)])
    assert window.last_row == 109
    window.mark_unread(104)
    assert window.first_unread == "row:105"
    window.mark_unread(500)
    assert window.first_unread is None
    window.append(item(row=n, seq=n) for n in range(200, 200 + MAX_ITEMS))
    assert window.trim(keep_newest=True)
    assert len(window.items) == TRIM_TO
    assert window.has_older
    window.prepend([item(row=n, seq=n) for n in range(1, 500)])
    assert window.trim(keep_newest=False)
    assert window.has_newer
    assert window.first_row == 1


# The list.


def test_rooms_show_counts_marks_and_what_is_active() -> None:
    base = {"unread": 0, "members": 2, "read_seq": 0, "state": "active", "suite": "hybrid"}
    rooms = Rooms()
    rooms.set_online("bob", True)
    rooms.add_mention("@bob")
    rows = [base | {"name": n, "unread": u} for n, u in (("#lobby", 0), ("#den", 4), ("@bob", 2))]
    rooms.read(rows, drafts={"#den": "x"})
    rooms.set_verified("@bob", True)
    assert [room.shown(20) for room in rooms.all()] == [
        "#lobby              ",
        "#den             ✎ 4",
        "@bob           ✓● @2",
    ]
    assert rooms.next_active("#lobby") == "@bob"  # it names the person
    rooms.clear_mentions("@bob")
    assert rooms.unread == 6
    assert Room("#a-very-long-name-indeed", unread=12).shown(12) == "#a-very-… 12"
    assert Rooms().next_active("#lobby") is None


# Completion and history.


def test_completion_of_commands_people_rooms_and_emoji() -> None:
    def offered(before: str) -> list[str]:
        found = candidates(before, people={"bob", "boris"}, rooms=["#den"], more={"theme": "t"})
        return [each.text for each in found]

    assert offered("/the") == ["/theme "]
    assert "/join " in offered("/jo")
    assert offered("//jo") == []
    assert offered("@bo") == ["@bob: ", "@boris: "]
    assert offered("hi @bor") == ["@boris "]
    assert offered("see #d") == ["#den "]
    assert offered("/kick bo") == ["bob ", "boris "]
    assert "👍" in offered("ok :thumbs_u")
    assert offered("10:30") == []
    assert len(offered("/")) == 8


def test_shortcodes_become_signs_but_not_in_code() -> None:
    assert with_emoji("fine :thumbsup: `:thumbsup:` :nosuchsign: 10:30:45") == (
        "fine 👍 `:thumbsup:` :nosuchsign: 10:30:45"
    )


def test_what_was_typed_comes_back_without_passwords() -> None:
    typed = Typed()
    for text in ("one", "two", "two", "/join den secret", " "):
        typed.add(text)
    assert typed.older("draft") == "two"
    assert typed.older("two") == "one"
    assert typed.older("one") is None
    assert (typed.newer(), typed.newer(), typed.newer()) == ("two", "draft", None)
    for number in range(300):
        typed.add(str(number))
    assert len(typed.lines) == MAX_LINES
    assert "one" not in repr(typed)
