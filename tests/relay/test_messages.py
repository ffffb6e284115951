"""Messages of many devices at once: each is answered as it would be alone, and in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from relay import admin
from relay.headers import EntryKind, read_header, read_message
from relay.messages import Parcel, append_messages
from relay.outcome import Batch
from relay.runs import read_runs
from tests.relay.actors import Device, World
from tests.relay.worlds import rid
from wire import replies
from wire.entry import EntryData, encode_data
from wire.errors import Code, WireError
from wire.limits import MAX_MESSAGE_BYTES
from wire.requests import Act, Append


def together(world: World, *asked: tuple[Device, Append]) -> Batch:
    """Have messages appended in one batch."""
    parcels = [Parcel(device.who, [request]) for device, request in asked]
    return world.run(lambda c: append_messages(c, world.context, parcels))  # type: ignore[no-any-return]


def seen(batch: Batch) -> list[Any]:
    """The answer of each place, a refusal by its code."""
    found: dict[int, Any] = {
        run.place: seq for said in batch.said for run in said.runs for _, seq in run.answers
    }
    for place, _request, answer in batch.answered:
        assert place not in found
        found[place] = answer.code.value if isinstance(answer, WireError) else answer
    return [found[place] for place in range(len(found))]


def friends(world: World) -> tuple[Device, Device, bytes]:
    """Two accounts in a room."""
    alice, bob = world.account("Alice"), world.account("Bob")
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    return alice, bob, room


def stored_in(device: Device, room: bytes) -> list[bytes]:
    return [entry.message for entry in device.fetch(room).entries]


def test_they_are_numbered_in_the_order_in_which_they_came(any_world: World) -> None:
    alice, bob, room = friends(any_world)
    other = alice.room("other")
    asked = [(alice, alice.message(room)), (bob, bob.message(room)), (alice, alice.message(other))]
    asked += [(bob, bob.message(room)), (alice, alice.message(other)), (alice, alice.message(room))]
    batch = together(any_world, *asked)
    assert seen(batch) == [2, 3, 1, 4, 2, 5]
    assert stored_in(alice, room)[1:] == [asked[n][1].message for n in (0, 1, 3, 5)]
    assert stored_in(alice, other) == [asked[n][1].message for n in (2, 4)]
    said = {each.conversation: each for each in batch.said}
    assert [run.place for run in said[room].runs] == [0, 1, 3, 5]
    assert set(said[room].readers) == {alice.id, bob.id}
    assert set(said[other].readers) == {alice.id}
    assert isinstance(alice.say(room).reply, replies.Accepted)
    assert len(stored_in(alice, room)) == 6


def test_a_message_twice_in_a_batch_is_stored_once(any_world: World) -> None:
    alice, bob, room = friends(any_world)
    request = alice.message(room)
    again = structs.replace(request, rid=rid())
    batch = together(any_world, (alice, request), (bob, bob.message(room)), (alice, again))
    assert seen(batch) == [2, 3, 2]
    assert len(stored_in(alice, room)) == 3


def test_repeats_among_many_new_ones_are_left_out(any_world: World) -> None:
    """So many that the transactions are stored first and looked up when that fails."""
    alice, bob, room = friends(any_world)
    first = [alice.message(room) for _ in range(6)]
    assert seen(together(any_world, *((alice, each) for each in first))) == [2, 3, 4, 5, 6, 7]
    used = any_world.context.usage.of(alice.who.account_id)
    new = [bob.message(room) for _ in range(6)]
    mixed = [(alice, first[4]), *((bob, each) for each in new), (alice, first[0])]
    assert seen(together(any_world, *mixed)) == [6, 8, 9, 10, 11, 12, 13, 2]
    assert stored_in(alice, room)[1:] == [each.message for each in first + new]
    assert any_world.context.usage.of(alice.who.account_id) == used


def test_an_id_used_in_another_conversation_is_refused(world: World) -> None:
    alice, _bob, room = friends(world)
    other = alice.room("other")
    transaction = b"t" * 16
    here = alice.message(room, transaction_id=transaction)
    there = alice.message(other, transaction_id=transaction)
    assert seen(together(world, (alice, here), (alice, there))) == [2, "bad_request"]
    assert seen(together(world, (alice, there))) == ["bad_request"]
    assert stored_in(alice, other) == []


def test_what_is_wrong_with_one_concerns_no_other(any_world: World) -> None:
    alice, bob, room = friends(any_world)
    carol = any_world.account("Carol")
    malformed = Append(rid(), room, b"nothing")
    commit, _own = alice.commit(room)
    bare = Append(rid(), room, commit.message)
    late = bob.message(room, stands_on=0)
    elsewhere = structs.replace(alice.message(room), conversation=bytes(16))
    nowhere = Append(rid(), b"n" * 16, into(alice.message(room).message, b"n" * 16))
    strange = structs.replace(alice.message(room), rid=rid())
    good = alice.message(room)
    batch = together(
        any_world,
        (alice, malformed),
        (alice, bare),
        (bob, late),
        (alice, elsewhere),
        (alice, nowhere),
        (carol, strange),
        (alice, good),
    )
    assert seen(batch) == [
        "bad_request",
        "bad_request",
        replies.Conflict(late.rid, 1, removal=False),
        "bad_request",
        "no_such_room",
        "forbidden",
        2,
    ]
    assert stored_in(alice, room)[1:] == [good.message]


def into(message: bytes, conversation: bytes) -> bytes:
    """The same message, as if it were another conversation's."""
    return message[:5] + conversation + message[21:]


def test_a_muted_account_is_silent_and_its_repeats_are_answered(world: World) -> None:
    alice, bob, room = friends(world)
    request = bob.message(room)
    assert seen(together(world, (bob, request))) == [2]
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.MUTE, "bob", for_s=60))
    batch = together(world, (bob, request), (bob, bob.message(room)), (alice, alice.message(room)))
    assert seen(batch) == [2, "muted", 3]


def test_no_message_is_too_large_for_its_batch_and_one_too_large_is_refused(world: World) -> None:
    alice, _bob, room = friends(world)
    large = alice.message(room, b"x" * MAX_MESSAGE_BYTES)
    assert seen(together(world, (alice, large), (alice, alice.message(room)))) == ["too_large", 2]


PREFIX = b"\x00\x01\x00\x02\x10" + bytes(16)  # MLS 1.0, PrivateMessage, group_id
KINDS = st.sampled_from([1, 1, 1, 2, 3, 9])  # application, proposal, commit, nothing


@st.composite
def framed(draw: st.DrawFn) -> bytes:
    """A PrivateMessage of conversation 0, often with something about it changed."""
    ids = st.sampled_from([bytes(range(16)), bytes(16), b"\xc4\x10" * 8, b"\x90" * 16])
    data = encode_data(EntryData(draw(st.sampled_from([0, 3, 300, 0xC410C410])), draw(ids)))
    body = draw(st.integers(0, 70) | st.integers(16_300, 16_450))
    length = vector_length(body)
    epoch = draw(st.sampled_from([0, 5, (1 << 62) - 1, 1 << 62, (1 << 64) - 1]))
    head = PREFIX + epoch.to_bytes(8) + bytes([draw(KINDS)])
    message = bytearray(
        head + bytes([len(data)]) + data + b"\x15" + bytes(21) + length + bytes(body)
    )
    for place in draw(st.lists(st.integers(0, 110), max_size=2)):
        message[place % len(message)] = draw(st.integers(0, 255))
    cut = draw(st.sampled_from([0, 0, 0, 1, 7, 60]))
    return bytes(message[: len(message) - cut])


def vector_length(size: int) -> bytes:
    """RFC 9420, section 2.1.2."""
    return (
        bytes([size])
        if size < 64
        else (0x4000 | size).to_bytes(2)
        if size < 1 << 14
        else (0x8000_0000 | size).to_bytes(4)
    )


@given(framed())
@settings(max_examples=500)
def test_reading_a_message_in_one_step_gives_what_reading_it_all_does(message: bytes) -> None:
    assert result_of(lambda: read_message(message, bytes(16))[0]) == result_of(
        lambda: whole(message)
    )


@given(framed(), framed())
@settings(max_examples=500)
def test_a_message_like_the_one_before_it_is_read_as_it_would_be_alone(
    first: bytes, second: bytes
) -> None:
    requests = [Append(n, bytes(16), message) for n, message in enumerate((first, second))]
    runs, refused = read_runs(requests)
    found: dict[int, Any] = {
        request.rid: EntryData(run.stands_on, transaction_id)
        for run in runs
        for request, transaction_id in zip(run.requests, run.ids, strict=True)
    }
    found |= {request.rid: error.code for request, error in refused}
    expected = [result_of(lambda m=message: whole(m)) for message in (first, second)]
    assert [found[0], found[1]] == expected


def whole(message: bytes) -> EntryData:
    header = read_header(message, bytes(16))
    if header.kind is not EntryKind.MESSAGE:
        raise WireError(Code.BAD_REQUEST, "")
    return header.data


def result_of(read: Callable[[], EntryData]) -> EntryData | Code:
    try:
        return read()
    except WireError as error:
        return error.code
