"""What whoever owns a relay's machine can do: change its database while it is down, use its key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from crypto.ed25519 import SigningKey
from crypto.mls import framing, public_message
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.proposals import Proposal, encode_proposal
from crypto.mls.suite import SUITE_1
from tests.processes import Relay


@dataclass(frozen=True)
class Row:
    """What the relay knows of a conversation."""

    id: int
    conversation: bytes
    last_seq: int
    head_seq: int
    epoch: int


class Disk:
    """The database of a relay that is down."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def conversation(self, name: str) -> Row:
        """Return a room or the lobby by name, or with "" the newest direct conversation."""
        query = "SELECT id, conversation, last_seq, head_seq, epoch FROM conversations"
        order = " WHERE name = ? ORDER BY id DESC LIMIT 1"
        return Row(*self.database.execute(query + order, (name,)).fetchone())

    def messages(self, row: Row) -> list[bytes]:
        """Return every entry of a log, in order."""
        query = "SELECT entries FROM segments WHERE conversation_id = ? ORDER BY first_seq"
        runs = [msgspec.msgpack.decode(run) for (run,) in self.database.execute(query, (row.id,))]
        return [message for run in runs for _seq, _arrived_ms, message in run]

    def append(self, name: str, message: bytes, *, is_head: bool = False) -> None:
        """Append an entry as if somebody had sent it; `is_head`: as a proposal or commit."""
        row = self.conversation(name)
        seq = row.last_seq + 1
        arrived_ms = 1_700_000_000_000
        self.database.execute(
            "INSERT INTO segments"
            " (conversation_id, first_seq, last_seq, arrived_ms, entries, origins)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(row.id, seq, seq, arrived_ms),
                msgspec.msgpack.encode([(seq, arrived_ms, message)]),
                msgspec.msgpack.encode([(0, 0, len(message), [None])]),
            ),
        )
        head = seq if is_head else row.head_seq
        self.database.execute(
            "UPDATE conversations SET last_seq = ?, head_seq = ? WHERE id = ?", (seq, head, row.id)
        )

    def add_member(self, name: str, account: str, *, leaf: int) -> None:
        """Write an account into a conversation's roster, as only the relay keeps it."""
        row = self.conversation(name)
        self.database.execute(
            "INSERT INTO memberships (conversation_id, device_id, account_id, leaf, key_hash,"
            " added_seq, cursor) SELECT ?, devices.id, accounts.id, ?, devices.key_hash, ?, ?"
            " FROM devices JOIN accounts ON accounts.id = devices.account_id"
            " WHERE accounts.name = ?",
            (row.id, leaf, row.last_seq, row.last_seq, account),
        )
        self.database.execute(
            "UPDATE conversations SET members_version = members_version + 1 WHERE id = ?", (row.id,)
        )


@contextmanager
def disk(relay: Relay) -> Iterator[Disk]:
    """Stop a relay, give its database, start it again."""
    assert relay.stop() == 0
    with closing(sqlite3.connect(relay.data / "relay.db")) as database, database:
        yield Disk(database)
    relay.start()


def relay_key(relay: Relay) -> SigningKey:
    """Return the relay's own signing key."""
    return SigningKey.from_seed(bytes.fromhex((relay.data / "relay.key").read_text()))


def external_proposal(
    relay: Relay, row: Row, proposal: Proposal, *, authenticated_data: bytes = b""
) -> bytes:
    """Return any proposal, signed by the relay's key as the group's external sender."""
    content = FramedContent(
        row.conversation,
        row.epoch,
        Sender(SenderType.EXTERNAL, 0),
        authenticated_data,
        ContentType.PROPOSAL,
        encode_proposal(proposal),
    )
    wire_format, key = WireFormat.PUBLIC_MESSAGE, relay_key(relay)
    signature = framing.sign(SUITE_1, content, wire_format=wire_format, context=None, signer=key)
    signed = AuthenticatedContent(wire_format, content, FramedContentAuthData(signature))
    return framing.wrap(wire_format, public_message.protect(SUITE_1, signed).encode())
