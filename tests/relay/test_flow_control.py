import asyncio
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.flow import MANY, MANY_BYTES, MOST, MOST_BYTES, Flow, size_of
from tests.relay.live import live, member, run
from wire import replies, requests


def test_a_lone_sender_is_read_until_it_has_most() -> None:
    flow = Flow()
    flow.sessions = 1
    assert all(flow.began(own) for own in range(1, MOST))
    assert not flow.began(MOST)
    assert not flow.done(MOST - 1)
    assert flow.done(MOST // 2 - 1)


def test_many_senders_together_get_their_share_each() -> None:
    flow = Flow()
    flow.sessions = 100
    share = MANY // 100
    flow.in_flight = MANY
    assert flow.began(share - 1)
    assert not flow.began(share)
    assert not flow.done(share - 1)
    assert flow.done(share // 2)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 50_000), st.integers(0, 2 * MANY))
def test_who_has_nothing_in_flight_is_always_read_again(sessions: int, others: int) -> None:
    flow = Flow()
    flow.sessions, flow.in_flight = sessions, others + 1
    assert flow.done(0)


def test_a_flood_of_requests_is_answered_in_full(tmp_path: Path) -> None:
    """More than the writer's queue holds, from a few connections at once, over TLS."""

    async def scenario() -> None:
        async with live(tmp_path) as relay:
            clients = [await member(relay, f"sender{number}") for number in range(8)]
            each = 1500
            for client in clients:
                for number in range(each):
                    client.send(requests.AckInbox(10_000 + number, 0))
            for client in clients:
                client._rid = 9999
                last = await client.answer(10_000 + each - 1)
                assert isinstance(last, replies.Ok)
                answers = [f for f in client.frames if isinstance(f, replies.Ok)]
                assert [f.rid for f in answers] == list(range(10_000, 10_000 + each - 1))
            assert relay.relay.services.flow.in_flight == 0
            await asyncio.sleep(0)

    run(scenario())


def test_a_connection_has_so_many_bytes_in_flight() -> None:
    flow = Flow()
    flow.sessions = 1
    size = MOST_BYTES // 4
    assert [flow.began(n, size=size, own_bytes=n * size) for n in range(1, 5)] == [True] * 3 + [
        False
    ]
    assert [flow.done(n, size=size, own_bytes=n * size) for n in (3, 2, 1, 0)] == [
        False,
        True,
        True,
        True,
    ]
    assert flow.size_bytes == 0


def test_with_many_bytes_in_flight_each_has_a_share() -> None:
    flow = Flow()
    flow.sessions = 1000
    flow.size_bytes = MANY_BYTES
    assert flow.began(1, size=1000, own_bytes=1000)
    assert not flow.began(1, size=100_000, own_bytes=100_000)
    assert not flow.done(1, size=1000, own_bytes=100_000)
    assert flow.done(0, size=100_000, own_bytes=0)


def test_a_request_weighs_what_it_carries() -> None:
    parts = requests.CommitParts(bytes(10), (bytes(20), bytes(30)))
    assert size_of(requests.Append(1, bytes(16), bytes(40))) == 40
    assert size_of(requests.Append(1, bytes(16), bytes(40), parts)) == 100
    assert size_of(requests.Create(1, bytes(16), b"", (bytes(5),))) == 5
    assert size_of(requests.Publish(1, 1, (bytes(7), bytes(8)))) == 15
    assert size_of(requests.Heads(1)) == 0
