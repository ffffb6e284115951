"""A relay's data folder with accounts, groups and messages in it, and the plan for the load.

Everything is made by the relay's own operations and our own MLS, in this process, before the relay
is started on it; only password hashes are cheap.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from crypto.labels import Purpose, labelled
from relay import passwords, segments
from relay.checkpointing import Checkpointing
from relay.config import Config
from relay.context import Limits
from relay.headers import read_message
from relay.startup import opened
from storage.relay import account_rows, conversation_rows, segment_rows, transaction_rows
from storage.relay.segment_rows import Segment
from tests.relay.actors import PASSWORD, Device, World
from wire.codec import encode
from wire.replies import Entry

BODY = 200  # bytes of a message's content
GROWN_ROOMS = 1_000
GROWN_ENTRIES = 10_000  # in each of them
MISSED_ENTRIES = 10_000
_RID = 0xF0F1F2F3  # in four bytes, to be found in a frame


@contextmanager
def world_on(data: Path, database_url: str | None = None) -> Iterator[World]:
    """Open a relay's folder to make things in it."""
    data.parent.mkdir(parents=True, exist_ok=True)
    os.umask(0o077)
    with opened(Config(data=data, database_url=database_url)) as belongings:
        world = World(belongings.database)
        # Nothing is refused for having come too fast, and nobody waits for bcrypt.
        limits = Limits(bcrypt_cost=4)
        world.context = dataclasses.replace(belongings.context, limits=limits)
        world.clock.ms = time.time_ns() // 1_000_000
        yield world


def accounts(world: World, count: int) -> list[Device]:
    """Register so many accounts, a device each."""
    return [world.account(f"load{number}") for number in range(count)]


def pairs(devices: list[Device]) -> list[bytes]:
    """Found a room for each two devices; return each device's conversation."""
    rooms = []
    for number in range(0, len(devices), 2):
        one, other = devices[number : number + 2]
        room = one.room(f"pair{number}")
        one.add(room, other)
        rooms += [room, room]
    return rooms


def one_room(devices: list[Device]) -> list[bytes]:
    """Found one room with everybody in it."""
    room = devices[0].room("everybody")
    devices[0].add(room, *devices[1:])
    return [room] * len(devices)


def grown(devices: list[Device]) -> list[bytes]:
    """Pairs in a thousand rooms with ten thousand entries each; the other rooms have ten members.

    The entries came ten at a time.
    """
    rooms, world = pairs(devices), devices[0].world
    template = devices[0].message(rooms[0], bytes(BODY)).message
    log = Checkpointing(world.database, failed=lambda _error: None)

    def fill(connection: Connection, number: int) -> None:
        room = rooms[2 * number] if 2 * number < len(rooms) else None
        row = _row_of(connection, room) if room else _room_of_ten(connection, devices, number)
        _extend(connection, devices[0], row, template, count=GROWN_ENTRIES, at_once=10)

    for number in range(GROWN_ROOMS):
        world.run(lambda c, number=number: fill(c, number))
        log.turn()  # nobody else does before a relay runs, and it would have tens of GB
    return rooms


def missed(devices: list[Device]) -> list[bytes]:
    """Pairs; in the first one entries that one of the two has not read, that came one by one."""
    rooms = pairs(devices)
    template = devices[0].message(rooms[0], bytes(BODY)).message

    def fill(connection: Connection) -> None:
        row = _row_of(connection, rooms[0])
        _extend(connection, devices[0], row, template, count=MISSED_ENTRIES, at_once=1)

    devices[0].world.run(fill)
    return rooms


def _row_of(connection: Connection, room: bytes) -> int:
    found = conversation_rows.find(connection, room)
    assert found is not None
    return found.id


def _room_of_ten(connection: Connection, devices: list[Device], number: int) -> int:
    """Write a room's row and its members', without the group that nobody asks for."""
    row = conversation_rows.insert_conversation(
        connection,
        (),
        conversation=os.urandom(16),
        kind="room",
        name="",
        join_rule="open",
        founder_id=devices[0].who.device_row,
        suite=2,
        last_seq=0,
    )
    stays = []
    for leaf in range(10):
        who = devices[(number + leaf) % len(devices)].who
        stay = {"conversation_id": row, "device_id": who.device_row, "account_id": who.account_id}
        stays.append(stay | {"leaf": leaf, "key_hash": bytes(32), "added_seq": 0, "cursor": 0})
    conversation_rows.add_members(connection, stays)
    return row


def _extend(
    connection: Connection, device: Device, row: int, template: bytes, *, count: int, at_once: int
) -> None:
    """Add a log's next entries, as messages that came so many at once would have left them."""
    first = conversation_rows.find_row(connection, row).last_seq + 1
    now_ms, who = device.world.clock.ms, device.who
    made: list[Segment] = []
    sent: list[tuple[int, bytes, int, int]] = []
    for start in range(first, first + count, at_once):
        seqs = range(start, start + at_once)
        # They grow, as those of clients do: random ones would touch a page each.
        ids = [(row << 32 | seq).to_bytes(8) + os.urandom(8) for seq in seqs]
        entries = [Entry(seq, now_ms, template) for seq in seqs]
        origins = [(who.account_id, who.device_row, at_once * len(template), ids)]
        made += segments.segments_of(row, entries, origins)
        sent += [(who.device_row, one, row, seq) for one, seq in zip(ids, seqs, strict=True)]
    segment_rows.insert(connection, made)
    transaction_rows.insert(connection, sent)
    conversation_rows.update_conversation(connection, row, last_seq=first + count - 1)


def stormed(devices: list[Device]) -> list[bytes]:
    """Pairs whose passwords cost what people's do; the hash is one, since what counts is to try."""
    rooms, world = pairs(devices), devices[0].world
    dear = dataclasses.replace(world.context, limits=Limits())
    stored = passwords.hash_password(dear, PASSWORD)

    def set_hashes(connection: Connection) -> None:
        for device in devices:
            account_rows.update_account(connection, device.who.account_id, password_hash=stored)

    world.run(set_hashes)
    return rooms


def nothing(devices: list[Device]) -> list[bytes]:
    """No conversation that anybody else is in: for those who only connect."""
    room = devices[0].room("alone")
    return [room] * len(devices)


def write_plan(
    path: Path, world: World, count: int, found: Callable[[list[Device]], list[bytes]]
) -> None:
    """Make devices and conversations; write what relay_load/sotto.c needs of each device."""
    devices = accounts(world, count)
    rooms = found(devices)
    speaks = found is not nothing
    lines = [labelled(Purpose.DEVICE_PROOF).hex()]
    for device, room in zip(devices, rooms, strict=True):
        sender = device if speaks else devices[0]
        append = msgspec.structs.replace(sender.message(room, os.urandom(BODY)), rid=_RID)
        frame = encode(append)
        data, _form = read_message(append.message, room)
        where = frame.index(_RID.to_bytes(4)), frame.index(data.transaction_id)
        key = device.signer.seed
        fields = (key, device.account.encode(), device.id, room, frame)
        lines.append(" ".join([*(each.hex() for each in fields), *map(str, where)]))
    path.write_text("\n".join(lines) + "\n")
