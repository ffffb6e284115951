"""Reading: who may read what, pages, heads and Welcomes."""

from __future__ import annotations

import pytest

from relay import admin, append, history
from relay.history import readable
from storage.relay.conversation_rows import Membership
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid
from wire import replies, requests
from wire.limits import MAX_FETCH_BYTES
from wire.policy import Kind
from wire.requests import Act


def stay(added: int, removed: int | None) -> Membership:
    return Membership(1, 1, 1, 1, 0, b"", added, removed, 0, b"", "")


@pytest.mark.parametrize(
    ("stays", "expected"),
    [
        ([(0, None)], (0, 9)),
        ([(2, 5)], (2, 5)),
        ([(2, 5), (5, None)], (2, 9)),  # a resync: no gap
        ([(2, 5), (7, None)], (7, 9)),  # away in between
        ([(1, 2), (4, 6)], (4, 6)),
        ([(1, 3), (2, None)], (1, 9)),  # beside a commit that was refused
    ],
)
def test_what_a_device_may_read(
    stays: list[tuple[int, int | None]], expected: tuple[int, int]
) -> None:
    assert readable([stay(*each) for each in stays], 9) == expected


def test_a_newcomer_reads_from_its_own_commit_on(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room = alice.room()
    alice.say(room, b"before")
    bob.join(room)
    alice.catch_up(room)
    alice.say(room, b"after")
    found = bob.fetch(room)
    assert [entry.seq for entry in found.entries] == [2, 3]
    assert (found.first_kept, found.last_seq) == (2, 3)
    assert bob.fetch(room, 3).entries == ()


def test_a16_the_removed_read_up_to_their_removal(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room = alice.room()
    bob.join(room)
    alice.catch_up(room)
    alice.send_commit(room, alice.commit(room, [alice.remove_of(room, bob)]))
    alice.say(room, b"about Bob")
    found = bob.fetch(room)
    assert [entry.seq for entry in found.entries] == [1, 2]
    assert found.last_seq == 2
    (head,) = _heads(bob)
    assert (head.is_member, head.account_is_member, head.last_seq) == (False, False, 2)
    history_ack(bob, room, 2)
    assert _heads(bob) == ()


def history_ack(device: Device, room: bytes, seq: int) -> None:
    from relay import verdicts

    device.do(verdicts.ack, requests.Ack(rid(), room, seq))


def _heads(device: Device) -> tuple[replies.Head, ...]:
    found = device.do(history.heads, requests.Heads(rid())).reply
    assert isinstance(found, replies.HeadList)
    assert not found.more
    return found.heads


def test_answers_are_of_bounded_size(world: World) -> None:
    alice = world.account("Alice")
    room = alice.room()
    for _ in range(8):
        alice.say(room, bytes(90_000))
    found = alice.fetch(room)
    assert sum(len(entry.message) for entry in found.entries) <= MAX_FETCH_BYTES
    assert len(found.entries) == 5
    assert [entry.seq for entry in alice.fetch(room, 5).entries] == [6, 7, 8]
    assert len(alice.fetch(room, 0, limit=2).entries) == 2
    assert code_of(lambda: alice.fetch(bytes(16))) == "no_such_room"


def test_heads_list_what_concerns_the_account(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    room, direct = alice.room(), alice.direct(bob)
    phone = alice.sibling()
    alice.say(room)
    assert {head.conversation for head in _heads(alice)} == {room, direct}
    for head in _heads(phone):
        assert (head.is_member, head.account_is_member) == (False, True)
    (his,) = _heads(bob)
    assert (his.conversation, his.kind, his.is_member) == (direct, Kind.DIRECT, False)
    assert his.account_is_member
    assert [e.conversation for e in _heads(alice)] == sorted([room, direct])


def test_heads_come_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "HEADS_PER_PAGE", 2)
    alice = world.account("Alice")
    rooms = {alice.room(f"room{number}") for number in range(5)}
    seen: list[bytes] = []
    after, more = None, True
    while more:
        page = alice.do(history.heads, requests.Heads(rid(), after)).reply
        assert isinstance(page, replies.HeadList)
        seen += [head.conversation for head in page.heads]
        after, more = seen[-1], page.more
    assert seen == sorted(rooms)


def test_welcomes_wait_until_they_are_stored(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    rooms = [alice.room(name) for name in ("one", "two", "three")]
    for room in rooms:
        alice.add(room, bob)
    waiting = bob.fetch_inbox()
    assert [(e.seq, e.conversation) for e in waiting] == list(enumerate(rooms, start=1))
    ask = requests.GetInbox(rid(), 1)
    rest = bob.do(history.get_inbox, ask).reply
    assert isinstance(rest, replies.InboxFound)
    assert ([e.seq for e in rest.entries], rest.last_seq) == ([2, 3], 3)
    bob.do(history.ack_inbox, requests.AckInbox(rid(), 2))
    assert [e.seq for e in bob.fetch_inbox()] == [3]
    assert alice.fetch_inbox() == ()


def test_a_banned_accounts_peer_still_reads(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    direct = alice.direct(bob)
    alice.add(direct, bob)
    bob.do(append.append, bob.message(direct, b"bye"))
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.BAN, "bob"))
    assert alice.fetch(direct, 1).last_seq == 3
