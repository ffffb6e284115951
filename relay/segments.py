"""Runs of entries: as they are stored, as they are pushed, and whose they are.

Never a database: storage/relay/segment_rows.py keeps what is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import msgspec
from sqlalchemy import Connection

from storage.relay import segment_rows
from storage.relay.segment_rows import Segment
from wire.limits import MAX_FETCH_BYTES
from wire.replies import Entry

# Of entries that follow each other: account and device (rows; 0: the relay), the bytes of their
# messages together, and their transactions' ids.
Origins: TypeAlias = tuple[int, int, int, Sequence[bytes | None]]
MAX_SEGMENT_BYTES: Final = MAX_FETCH_BYTES // 2  # one entry may have more: then it is alone
MAX_SEGMENT_ENTRIES: Final = 1024

_encoder = msgspec.msgpack.Encoder()
_entries = msgspec.msgpack.Decoder(tuple[Entry, ...])
_origins = msgspec.msgpack.Decoder(tuple[tuple[int, int, int, tuple[bytes | None, ...]], ...])


def by_relay(entries: Sequence[Entry]) -> list[Origins]:
    """The origins of entries of the relay's own."""
    return [(0, 0, _size_bytes(entries), [None] * len(entries))]


def _size_bytes(entries: Sequence[Entry]) -> int:
    return sum([len(entry.message) for entry in entries])


def write(
    connection: Connection, row: int, entries: Sequence[Entry], origins: Sequence[Origins]
) -> None:
    """Store entries, numbered without gaps, of one conversation."""
    segment_rows.insert(connection, segments_of(row, entries, origins))


def segments_of(row: int, entries: Sequence[Entry], origins: Sequence[Origins]) -> list[Segment]:
    """Return the rows that keep entries, each of a size that is read and deleted as one."""
    size = sum([size for _, _, size, _ in origins])
    if size <= MAX_SEGMENT_BYTES and len(entries) <= MAX_SEGMENT_ENTRIES:
        return [_segment(row, entries, origins)]
    whose = [(account, device, one) for account, device, _, ids in origins for one in ids]
    each = [
        (account, device, len(entry.message), (one,))
        for entry, (account, device, one) in zip(entries, whose, strict=True)
    ]
    return [_segment(row, entries[a:b], each[a:b]) for a, b in _bounds(entries)]


def _bounds(entries: Sequence[Entry]) -> Iterator[tuple[int, int]]:
    start, size = 0, 0
    for end, entry in enumerate(entries):
        size += len(entry.message)
        if end > start and (size > MAX_SEGMENT_BYTES or end - start >= MAX_SEGMENT_ENTRIES):
            yield start, end
            start, size = end, len(entry.message)
    yield start, len(entries)


def _segment(row: int, entries: Sequence[Entry], origins: Sequence[Origins]) -> Segment:
    last = entries[-1]
    return Segment(
        row,
        entries[0].seq,
        last.seq,
        last.arrived_at_ms,
        _encoder.encode(entries),
        _encoder.encode(origins),
    )


def read(
    connection: Connection, row: int, *, after: int, last: int, limit: int, budget_bytes: int
) -> tuple[Entry, ...]:
    """Return entries with after < seq <= last in order, until the count or the bytes are used up.

    At least one, if there is one.
    """
    found: list[Entry] = []
    for segment in segment_rows.between(connection, row, after=after, last=last):
        for entry in _entries.decode(segment.entries):
            if not after < entry.seq <= last:
                continue
            budget_bytes -= len(entry.message)
            if len(found) == limit or (found and budget_bytes < 0):
                return tuple(found)
            found.append(entry)
    return tuple(found)


def message_at(connection: Connection, row: int, seq: int) -> bytes | None:
    """Return the message at `seq`, if it is still there."""
    segment = segment_rows.holding(connection, row, seq)
    if segment is None:
        return None
    return next(e.message for e in _entries.decode(segment.entries) if e.seq == seq)


def origins_of(packed: bytes) -> Sequence[Origins]:
    """Return whose a segment's entries are."""
    return _origins.decode(packed)
