"""A log's entries, as rows: one for each run that came in together.

Never looks into a run: relay/segments.py makes and reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, func, select

from storage.relay.bulk import Bulk
from storage.relay.prepared import Prepared
from storage.relay.rows import chunks, columns_of
from storage.relay.schema import segments

SEGMENTS_PER_STATEMENT = 16  # of half a MiB at most: a MySQL packet has room for 16 MiB


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of entries, `first_seq` to `last_seq`, as the relay wrote them."""

    conversation_id: int
    first_seq: int
    last_seq: int
    arrived_ms: int
    entries: bytes = field(repr=False)
    origins: bytes = field(repr=False)


_names = tuple(Segment.__dataclass_fields__)
_insert = Bulk(segments, _names, most=SEGMENTS_PER_STATEMENT)
_segment = select(*columns_of(segments, Segment))
_in = segments.c.conversation_id == bindparam("row")
_holding = Prepared(
    _segment.where(_in, segments.c.first_seq <= bindparam("seq"))
    .order_by(segments.c.first_seq.desc())
    .suffix_with("LIMIT 1"),  # limit() would make parameters of its own
    Segment,
)


def insert(connection: Connection, rows: Sequence[Segment]) -> None:
    """Add segments. IntegrityError for a second one that begins with the same number."""
    _insert.insert(
        connection,
        [
            (s.conversation_id, s.first_seq, s.last_seq, s.arrived_ms, s.entries, s.origins)
            for s in rows
        ],
    )


def holding(connection: Connection, row: int, seq: int) -> Segment | None:
    """The segment with the entry `seq`, if it is still there."""
    found = _holding.one(connection, {"row": row, "seq": seq})
    return found if found is not None and found.last_seq >= seq else None


def between(connection: Connection, row: int, *, after: int, last: int) -> Iterator[Segment]:
    """Segments with entries after < seq <= last, in order, as long as somebody reads on."""
    first = holding(connection, row, after + 1)
    start = after + 1 if first is None else first.first_seq
    query = _segment.where(
        segments.c.conversation_id == row,
        segments.c.first_seq >= start,
        segments.c.first_seq <= last,
    ).order_by(segments.c.first_seq)
    # Streamed: a long log's blobs are not all brought into memory to be thrown away.
    with connection.execute(query.execution_options(yield_per=4)) as result:
        for each in result:
            yield Segment(*each)


def first_kept(connection: Connection, row: int) -> int | None:
    """The smallest number that is still there, or None."""
    query = select(func.min(segments.c.first_seq)).where(segments.c.conversation_id == row)
    return connection.execute(query).scalar()


def oldest(connection: Connection, row: int, limit: int) -> list[tuple[int, int, int]]:
    """(first_seq, last_seq, arrived_ms) of the oldest segments, in order."""
    query = select(segments.c.first_seq, segments.c.last_seq, segments.c.arrived_ms)
    query = query.where(segments.c.conversation_id == row).order_by(segments.c.first_seq)
    return [(each[0], each[1], each[2]) for each in connection.execute(query.limit(limit))]


def origins_of(connection: Connection, row: int, firsts: Sequence[int]) -> list[bytes]:
    """Whose entries lie in the segments that begin with these numbers."""
    found: list[bytes] = []
    for some in chunks(firsts):
        query = select(segments.c.origins).where(
            segments.c.conversation_id == row, segments.c.first_seq.in_(some)
        )
        found += connection.execute(query.order_by(segments.c.first_seq)).scalars()
    return found


def delete_those(connection: Connection, row: int, firsts: Sequence[int]) -> None:
    """Delete the segments that begin with these numbers."""
    for some in chunks(firsts):
        gone = delete(segments).where(
            segments.c.conversation_id == row, segments.c.first_seq.in_(some)
        )
        connection.execute(gone)
