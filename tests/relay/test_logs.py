import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from relay import logs

HOSTILE = [
    "line\r\nbreak",
    "\x1b[31mred",
    "\x9b31m",
    "bell\x07",
    "\x7f",
    "\u2028\u2029",
    "\u202eright to left",
    "nul\0",
    '"}, {"level": "error',
]


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    names = ("sotto", "picows", "aiofastnet", "asyncio", "sqlalchemy", "alembic")
    before = [(log, log.level, log.propagate, log.handlers[:]) for log in map(logger, names)]
    stream = io.StringIO()
    logs.setup("debug", "json", stream)
    yield stream
    for log, level, propagate, handlers in before:
        log.setLevel(level)
        log.propagate, log.handlers[:] = propagate, handlers


logger = logging.getLogger


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().split("\n")[:-1]]


@pytest.mark.parametrize("text", HOSTILE)
def test_a68_no_field_breaks_a_line_or_speaks_to_a_terminal(output: io.StringIO, text: str) -> None:
    log = logs.logger("test")
    logs.event(log, logging.INFO, "word", fact=text)
    logs.event(log, logging.INFO, text)
    log.info(text)
    log.info("%s", text)
    assert len(lines(output)) == 4
    written = output.getvalue().replace("\n", "")
    assert all(" " <= character <= "~" for character in written)


def test_a68_long_fields_are_cut(output: io.StringIO) -> None:
    logs.event(logs.logger("test"), logging.INFO, "word", fact="x" * 100_000)
    assert len(output.getvalue()) < 1000


def test_a91_an_exception_is_logged_by_type_and_place_only(output: io.StringIO) -> None:
    try:
        raise ValueError("canary-in-an-exception")
    except ValueError as error:
        logs.failure(logs.logger("test"), "fault", error, connection=7)
        logging.getLogger("sotto.test").exception("again")
    first, second = lines(output)
    assert (first["error"], first["connection"]) == ("ValueError", 7)
    assert first["places"].startswith("test_logs.py:")
    assert second["error"] == "ValueError"
    assert "canary" not in output.getvalue()


@pytest.mark.parametrize("name", ["picows.server", "aiofastnet", "asyncio", "sqlalchemy.engine"])
def test_a91_libraries_that_log_what_they_see_are_silent(
    output: io.StringIO, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    logging.getLogger(name).critical("canary")
    try:
        raise ValueError("canary")
    except ValueError:
        logging.getLogger(name).exception("canary")
    captured = capsys.readouterr()
    assert "canary" not in output.getvalue() + captured.out + captured.err


def test_the_level_is_held(output: io.StringIO) -> None:
    logs.setup("warning", "json", output)
    logs.event(logs.logger("test"), logging.INFO, "quiet")
    logs.event(logs.logger("test"), logging.WARNING, "loud")
    assert [line["event"] for line in lines(output)] == ["loud"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a68_words_for_a_terminal_hold_nothing_that_it_obeys(
    output: io.StringIO, text: str
) -> None:
    stream = io.StringIO()
    logs.setup("debug", "console", stream)
    logs.event(logs.logger("test"), logging.INFO, "word", fact=text, number=7)
    (line,) = stream.getvalue().splitlines()
    assert all(" " <= character <= "~" for character in line)
    assert "word" in line
    assert "number=7" in line


def test_auto_is_json_where_there_is_no_terminal(output: io.StringIO) -> None:
    stream = io.StringIO()
    logs.setup("info", "auto", stream)
    logs.event(logs.logger("test"), logging.INFO, "word")
    assert json.loads(stream.getvalue())["event"] == "word"
