"""Brings conversations back from the store, with what was sent and not answered when it closed.

Never changes a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crypto.errors import PeerError
from crypto.mls.group import from_rows, next_epoch_rows
from engine.commits import OwnCommit
from engine.committing import Parts, PendingRows, frame_of
from engine.conversation import KEPT_HASHES, Conversation, from_row, standing_of
from engine.joining import Joining
from engine.protecting import own_message, stands
from engine.reading import Own
from storage.client import messaging, outgoing
from storage.client.messaging import ConversationRow, PendingCommit
from wire.errors import Code, WireError


@dataclass(frozen=True, slots=True)
class Loaded:
    """One conversation as it stood, its room's keys, and what may be on its way."""

    value: Conversation
    secrets: dict[bytes, bytes] = field(repr=False)
    own: dict[bytes, Own] = field(repr=False)
    joining: Joining | None = field(default=None, repr=False)


def load_all(connection: Any, *, relay_key: bytes) -> list[Loaded]:
    """Return all conversations; raise WireError(store_damaged) when rows do not fit together."""
    try:
        return [
            _load(connection, row, relay_key) for row in messaging.load_conversations(connection)
        ]
    except (PeerError, msgspec.MsgspecError) as error:
        text = "The store is damaged: a conversation in it cannot be read. Nothing was changed."
        raise WireError(Code.STORE_DAMAGED, text) from error


def _load(connection: Any, row: ConversationRow, relay_key: bytes) -> Loaded:
    stored = messaging.load_group(connection, row.id)
    group = from_rows(stored) if stored else None
    value = from_row(
        row,
        group=group,
        hashes=messaging.load_hashes(connection, row.id, limit=KEPT_HASHES),
        counters=messaging.load_counters(connection, row.id),
        relay_key=relay_key,
    )
    own: dict[bytes, Own] = {}
    for sent in outgoing.load_protected(connection, row.id):
        if sent.message is not None:
            own[sent.transaction_id] = own_message(sent, sent.message)
    secrets = messaging.load_secrets(connection, row.id)
    pending = messaging.load_pending_commit(connection, row.id)
    if pending is None:
        return Loaded(value, secrets, own)
    return _with_pending(Loaded(value, secrets, own), pending, stored, relay_key)


def _with_pending(
    loaded: Loaded, pending: PendingCommit, stored: Mapping[str, bytes], relay_key: bytes
) -> Loaded:
    extra = msgspec.msgpack.decode(pending.extra, type=Parts)
    changed = msgspec.msgpack.decode(pending.rows, type=PendingRows)
    number = pending.transaction_id
    if extra.is_join:
        group = from_rows(changed.put)
        joining = Joining(number, frame_of(pending), group, None, extra.made_at_ms, extra.secret)
        return Loaded(loaded.value, loaded.secrets, loaded.own, joining=joining)
    if loaded.value.group is None or not stands(loaded.value, pending.message):
        return loaded  # another commit stood first; its answer was not heard, and is known by now
    group = from_rows(next_epoch_rows(stored, changed.put, changed.gone))
    standing = standing_of(group, relay_key=relay_key)
    commit = OwnCommit(
        number, pending.message, group=group, standing=standing, made_at_ms=extra.made_at_ms
    )
    own = {**loaded.own, number: commit}
    return Loaded(loaded.value, loaded.secrets, own)
