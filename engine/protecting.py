"""Makes ciphertexts of outbox rows: content, counter and place, durable before any leaves.

Never protects a row twice for the same place: what may have been sent is sent again as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crypto.errors import PeerError
from crypto.mls.group import Group
from engine.content import Content, Text, decode_body, encode_content, padding_for
from engine.context import Context
from engine.conversation import Conversation
from engine.header import read_header
from engine.live import Live
from engine.reading import OwnMessage
from storage.client import outgoing
from storage.client.outgoing import OutboxRow
from wire.entry import EntryData, encode_data
from wire.errors import Code, WireError

Sealed = tuple[OutboxRow, bytes]


async def protect_rows(context: Context, live: Live, rows: Sequence[OutboxRow]) -> list[Sealed]:
    """Return the rows that still wait, each with its ciphertext for the present place, in order.

    For whoever holds the lock. One transaction for all of them. The counters follow each other as
    the rows do: who sends them must not leave one out.
    """
    numbers = [row.transaction_id for row in rows]
    present = await context.store.query(lambda connection: outgoing.find_all(connection, numbers))
    waiting = [row for row in present if not row.is_failed]
    if not live.reads or live.value.notes.rolled_back:
        raise WireError(Code.UNAVAILABLE, f"{live.value.title} is not ready yet.")
    group, _ = live.value.now_in()
    sealed: list[Sealed] = []
    fresh: list[Sealed] = []
    for index, row in enumerate(waiting):
        message = row.message
        if message is None or fresh or not stands(live.value, message):
            counter = live.value.own_counter + 1 + index
            group, message = _protect(context, live.value, group, row=row, counter=counter)
            fresh.append((row, message))
        sealed.append((row, message))
    if fresh:
        await _keep(live, group, fresh)
    for row, message in sealed:
        live.own[row.transaction_id] = own_message(row, message)
    return sealed


def _protect(
    context: Context, value: Conversation, group: Group, *, row: OutboxRow, counter: int
) -> tuple[Group, bytes]:
    content = Content(
        1,
        row.transaction_id,
        counter,
        sent_at_ms=row.created_at_ms,
        position=value.cursor,
        hash=value.hash,
        body=decode_body(row.body),
    )
    data = encode_content(content)
    return group.protect(
        data,
        signer=context.keys.signer,
        authenticated_data=encode_data(EntryData(value.stands_on, row.transaction_id)),
        padding=padding_for(len(data)),
        random=context.random,
    )


async def _keep(live: Live, group: Group, fresh: Sequence[Sealed]) -> None:
    number = live.value.id

    def write(connection: Any) -> None:
        messages = [(row.id, message) for row, message in fresh]
        outgoing.set_messages(connection, messages, conversation=number)

    await live.keep_group(group, write)


def own_message(row: OutboxRow, message: bytes) -> OwnMessage:
    """Return what is recognised as the row's entry when it comes back in the log."""
    return OwnMessage(
        row.transaction_id, message, body=decode_body(row.body), sent_at_ms=row.created_at_ms
    )


def stands(value: Conversation, message: bytes) -> bool:
    """Tell whether a ciphertext stands on what is the newest change now."""
    group, _ = value.now_in()
    try:
        header = read_header(message)
        return (
            header.group_id == value.id
            and header.epoch == group.epoch
            and header.entry_data().stands_on == value.stands_on
        )
    except PeerError:
        return False


def text_of(row: OutboxRow) -> str | None:
    """Return the text of a row that a person wrote, None for the engine's own."""
    body = decode_body(row.body)
    return body.text if isinstance(body, Text) else None
