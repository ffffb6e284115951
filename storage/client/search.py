"""Finds messages by their words, inside the encrypted file.

Never hands a person's query to the search language: every word of it is quoted.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, column, literal_column, select, table

from storage.client.schema import timeline
from storage.client.timeline import COLUMNS, MESSAGE, TimelineRow, page_size

MAX_QUERY_CHARS: Final = 256
"""Nobody types more into a search box, and each word costs an index look-up."""

MAX_QUERY_WORDS: Final = 16

_WORDS: Final = table("timeline_words", column("rowid"))
_WORDS_MATCH: Final[ColumnElement[Any]] = literal_column("timeline_words")
_SEPARATORS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def search(
    connection: Connection, query: str, *, conversation: bytes | None = None, limit: int
) -> list[TimelineRow]:
    """Return up to `limit` messages, the newest ones, oldest first.

    A message fits when it has, for every word of `query`, a word that begins so, whatever case and
    accents. If none has (signs, or a script without spaces), those that contain the query as it is.
    """
    words = query_words(query)
    if not words:
        return []
    match = " ".join(f'"{word}"*' for word in (w.replace('"', '""') for w in words))
    in_index = select(_WORDS.c.rowid).where(_WORDS_MATCH.op("MATCH")(match))
    found = _newest(connection, timeline.c.id.in_(in_index), conversation, limit)
    if found:
        return found
    contains = timeline.c.text.contains(" ".join(words), autoescape=True)
    return _newest(connection, contains, conversation, limit)


def query_words(query: str) -> list[str]:
    """Return the words of what was typed: bounded, and without anything that is not a character."""
    words = _SEPARATORS.split(query[:MAX_QUERY_CHARS])
    return [word for word in words if word][:MAX_QUERY_WORDS]


def _newest(
    connection: Connection, fits: ColumnElement[Any], conversation: bytes | None, limit: int
) -> list[TimelineRow]:
    query = select(*COLUMNS).where(fits, timeline.c.kind == MESSAGE)
    if conversation is not None:
        query = query.where(timeline.c.conversation == conversation)
    rows = connection.execute(query.order_by(timeline.c.id.desc()).limit(page_size(limit))).all()
    return [TimelineRow(*row) for row in reversed(rows)]
