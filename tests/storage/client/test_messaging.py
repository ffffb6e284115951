"""storage.client.messaging and outgoing: a step's rows, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from storage.client import messaging, outgoing
from storage.client.database import ClientStore
from storage.client.messaging import Change, ConversationRow, Line, PendingCommit
from storage.client.outgoing import OutboxRow
from tests.storage.client.stores import new_store

ID = b"c" * 16
ROW = ConversationRow(ID, "room", "garden", "active", cursor=3, epoch_hash=b"h" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClientStore]:
    with new_store(tmp_path) as store:
        yield store


@pytest.fixture
def connection(store: ClientStore) -> Iterator[Connection]:
    with store.transaction() as connection:
        yield connection


def test_a_change_writes_everything(connection: Connection) -> None:
    queue(connection, b"t" * 16)
    change = Change(
        ROW,
        group_put={"epoch": b"1", "node/0": b"2"},
        hashes=((3, b"h" * 32),),
        counters={b"d" * 16: 5},
        acks=((2, "accepted"), (3, "refused")),
        lines=(Line("message", "bob", "hi", seq=3, message_id=b"m" * 16),),
        sent=(b"t" * 16,),
        secrets=((b"p" * 16, b"k" * 32),),
        pending=PendingCommit(ID, b"t" * 16, b"m", b"r", b"e"),
    )
    messaging.apply(connection, change)
    assert messaging.load_conversations(connection) == [ROW]
    assert messaging.load_group(connection, ID) == {"epoch": b"1", "node/0": b"2"}
    assert messaging.load_hashes(connection, ID, limit=9) == {3: b"h" * 32}
    assert messaging.load_counters(connection, ID) == {b"d" * 16: 5}
    assert messaging.load_acks(connection, ID) == [(2, "accepted"), (3, "refused")]
    assert messaging.load_secrets(connection, ID) == {b"p" * 16: b"k" * 32}
    pending = messaging.load_pending_commit(connection, ID)
    assert pending is not None
    assert pending.message == b"m"
    assert outgoing.load_outbox(connection) == []
    found = messaging.find_message(connection, ID, device=b"", message_id=b"m" * 16)
    assert found == 3


def test_a_change_replaces_and_deletes(connection: Connection) -> None:
    messaging.apply(connection, Change(ROW, group_put={"a": b"1", "b": b"1"}, hashes=((3, b"x"),)))
    after = ConversationRow(ID, "room", "garden", "frozen", cursor=4)
    change = Change(
        after,
        group_put={"a": b"2"},
        group_delete=("b",),
        hashes=((4, b"y"),),
        new_epoch=True,
        pending_done=True,
    )
    messaging.apply(connection, change)
    assert messaging.load_conversations(connection) == [after]
    assert messaging.load_group(connection, ID) == {"a": b"2"}
    assert messaging.load_hashes(connection, ID, limit=9) == {4: b"y"}
    messaging.apply(connection, Change(after, group_put={"c": b"3"}, whole_group=True))
    assert messaging.load_group(connection, ID) == {"c": b"3"}
    messaging.drop_acks(connection, ID, up_to=9)
    messaging.forget_secrets(connection, ID)
    messaging.forget_conversation(connection, ID)
    assert messaging.load_conversations(connection) == []
    assert messaging.load_group(connection, ID) == {}


def test_a_change_that_fails_leaves_nothing(store: ClientStore) -> None:
    broken = Change(ROW, group_put={"a": b"1"}, lines=(Line("message", None, "hi"),))  # type: ignore[arg-type]
    with pytest.raises(IntegrityError), store.transaction() as connection:
        messaging.apply(connection, broken)
    with store.read() as connection:
        assert messaging.load_conversations(connection) == []
        assert messaging.load_group(connection, ID) == {}


def test_a_message_stands_once_in_the_timeline(connection: Connection) -> None:
    messaging.put_conversation(connection, ROW)
    line = Line("message", "bob", "hi", seq=3, message_id=b"m" * 16, sender_device=b"d" * 16)
    assert messaging.add_line(connection, ID, line)
    assert not messaging.add_line(connection, ID, line)


def test_keys_of_a_group_go_without_its_history(connection: Connection) -> None:
    messaging.apply(connection, Change(ROW, group_put={"a": b"1"}, hashes=((3, b"x"),)))
    messaging.add_line(connection, ID, Line("message", "bob", "hi", seq=3))
    messaging.forget_group(connection, ID)
    assert messaging.load_group(connection, ID) == {}
    assert messaging.load_hashes(connection, ID, limit=9) == {}
    assert messaging.load_conversations(connection) == [ROW]


def queue(connection: Connection, number: bytes, target: str = "#garden") -> OutboxRow:
    return outgoing.queue(
        connection, target=target, transaction_id=number, kind="text", body=b"b", now_ms=1
    )


def test_the_outbox_keeps_order_and_takes_nothing_twice(connection: Connection) -> None:
    rows = [queue(connection, bytes([n]) * 16) for n in (3, 1, 2)]
    assert queue(connection, b"\x01" * 16) == rows[1]
    queue(connection, b"o" * 16, "@bob")
    assert outgoing.next_queued(connection, "#garden", limit=9) == rows
    assert sorted(outgoing.queued_targets(connection)) == ["#garden", "@bob"]
    outgoing.set_messages(connection, [(rows[0].id, b"sealed")], conversation=ID)
    sent = outgoing.load_protected(connection, ID)
    assert [row.message for row in sent] == [b"sealed"]
    assert "sealed" not in repr(sent)
    outgoing.set_failed(connection, rows[0].transaction_id, code="muted")
    failed = outgoing.find(connection, rows[0].transaction_id)
    assert failed is not None
    assert (failed.is_failed, failed.failure, failed.message) == (True, "muted", None)
    assert outgoing.next_queued(connection, "#garden") == rows[1:2]
    outgoing.set_queued(connection, rows[0].transaction_id)
    assert outgoing.next_queued(connection, "#garden")[0].id == rows[0].id
    outgoing.drop(connection, rows[0].transaction_id)
    assert outgoing.find(connection, rows[0].transaction_id) is None


def test_what_was_sent_is_found_again(connection: Connection) -> None:
    messaging.put_conversation(connection, ROW)
    line = Line("message", "me", "hi", seq=7, message_id=b"m" * 16, sender_device=b"d" * 16)
    messaging.add_line(connection, ID, line)
    found = outgoing.find_sent(connection, device=b"d" * 16, message_id=b"m" * 16)
    assert found == (ID, 7)
    assert outgoing.find_sent(connection, device=b"e" * 16, message_id=b"m" * 16) is None
