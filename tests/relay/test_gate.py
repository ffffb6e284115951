import itertools

import pytest

from relay import gate as rates
from relay.context import Who
from relay.gate import Gate
from relay.routes import ROUTES
from relay.throttle import Bucket
from wire import requests
from wire.errors import WireError
from wire.limits import MAX_MESSAGE_BYTES

ALICE = Who("alice", 1, b"a" * 16, 1, False)
BOB = Who("bob", 2, b"b" * 16, 2, False)
ROOM = b"r" * 16


def passes(act: object, *arguments: object, **named: object) -> bool:
    try:
        act(*arguments, **named)  # type: ignore[operator]
    except WireError as refused:
        assert refused.code == "rate_limited"
        assert refused.data["retry_after_ms"] > 0
        return False
    return True


def how_many(act: object, *arguments: object, **named: object) -> int:
    """How many of 1,000 in the same moment pass."""
    return sum(passes(act, *arguments, **named) for _ in range(1000))


def test_a62_guesses_at_one_account_are_few_and_it_is_never_locked_for_good() -> None:
    gate = Gate()
    assert how_many(gate.guess, 1, 0.0) == rates.GUESSES.burst <= 100
    assert passes(gate.guess, 2, 0.0)
    assert passes(gate.guess, 1, 60.0)


def test_a62_right_passwords_use_nothing_up() -> None:
    gate = Gate()
    for _ in range(100):
        gate.guess(1, 0.0)
        gate.guessed_right(1, 0.0)


def test_a62_log_ins_from_one_address_are_few_and_this_machine_is_not_counted() -> None:
    gate = Gate()
    assert how_many(gate.log_in, "192.0.2.7", 0.0) == rates.LOGINS.burst
    assert passes(gate.log_in, "192.0.2.8", 0.0)
    assert how_many(gate.log_in, None, 0.0) == 1000


def test_registrations_from_one_address_are_few() -> None:
    assert how_many(Gate().registration, "192.0.2.7", 0.0) == rates.REGISTRATIONS.burst


def test_a13_one_account_cannot_take_the_key_packages_of_another() -> None:
    gate = Gate()
    assert how_many(gate.claim, ALICE, "carol", 0.0) == rates.CLAIMS.burst < 50
    assert passes(gate.claim, BOB, "carol", 0.0)
    assert passes(gate.claim, ALICE, "dave", 0.0)
    assert how_many(gate.claim, ALICE, "alice", 0.0) == rates.OWN_CLAIMS.burst


def test_a61_names_are_not_to_be_harvested() -> None:
    gate = Gate()
    assert how_many(gate.lookup, ALICE, 0.0) == rates.LOOKUPS.burst
    assert passes(gate.lookup, BOB, 0.0)


def test_a43_commits_are_limited_per_device_and_external_ones_per_conversation() -> None:
    gate = Gate()
    external = how_many(gate.commit, ALICE, ROOM, 0.0, is_external=True)
    assert external == rates.EXTERNAL_COMMITS.burst
    assert passes(gate.commit, ALICE, b"other", 0.0, is_external=True)
    left = how_many(gate.commit, ALICE, ROOM, 0.0, is_external=False)
    assert left == rates.COMMITS.burst - external - 1
    assert passes(gate.commit, BOB, ROOM, 0.0, is_external=False)


def test_a43_commits_that_the_members_had_undone_cost_more() -> None:
    gate = Gate()
    gate.commit_undone(ALICE.device, 0.0)
    left = how_many(gate.commit, ALICE, ROOM, 0.0, is_external=False)
    assert left == rates.COMMITS.burst - rates.REFUSED_COMMIT_COST


def test_a73_conversations_are_founded_at_a_limited_rate() -> None:
    assert how_many(Gate().creation, ALICE, 0.0) == rates.CREATIONS.burst


def test_requests_of_a_connection_are_counted_by_what_they_cost() -> None:
    gate, bucket = Gate(), Bucket(rates.REQUESTS, 0.0)
    assert how_many(gate.request, bucket, 20.0, 0.0) == rates.REQUESTS.burst / 20
    with pytest.raises(WireError, match="try again in"):
        gate.request(bucket, 20.0, 0.0)


def through(gate: Gate, who: Who, request: object) -> None:
    """What a request passes on its way to the writer."""
    limit = ROUTES[type(request)].gate
    assert limit is not None
    limit(gate, who, request, 0.0)


def test_a13_ways_to_type_a_name_share_its_claims() -> None:
    gate = Gate()
    typed = ["".join(pair) for pair in itertools.product(*zip("robert", "ROBERT", strict=True))]
    claims = [passes(through, gate, ALICE, requests.Claim(1, name, 1)) for name in typed]
    assert len(claims) == 64
    assert sum(claims) == rates.CLAIMS.burst


def test_a43_what_is_long_to_read_is_refused_before_the_writer() -> None:
    outside = b"\0\1\0\1" + bytes(500_000)
    with pytest.raises(WireError, match="brings a GroupInfo"):
        through(Gate(), ALICE, requests.Append(1, ROOM, outside))
    with pytest.raises(WireError, match="too large"):
        through(Gate(), ALICE, requests.Append(1, ROOM, bytes(MAX_MESSAGE_BYTES + 1)))


def test_a43_commits_are_limited_by_their_bytes_and_of_the_whole_account() -> None:
    gate = Gate()
    parts = requests.CommitParts(bytes(1000), (bytes(60_000),) * 15)
    other = Who("alice", 1, b"c" * 16, 3, False)
    sent = [
        passes(through, gate, who, requests.Append(1, bytes([n]) * 16, bytes(90_000), parts))
        for n in range(10)
        for who in (ALICE, other)
    ]
    assert sum(sent) == 4
    assert passes(through, gate, BOB, requests.Append(1, ROOM, bytes(90_000), parts))
    assert not passes(through, gate, ALICE, requests.Create(1, ROOM, bytes(1000), parts.nodes))


def test_a43_verdicts_and_packages_count_one_by_one() -> None:
    gate = Gate()
    many = tuple((seq, requests.Verdict.REFUSED) for seq in range(1024))
    assert how_many(through, gate, ALICE, requests.Ack(1, ROOM, 1, many)) == 8
    assert how_many(through, gate, ALICE, requests.Ack(1, ROOM, 1)) == 1000
    packages = requests.Publish(1, 1, (b"x",) * 49)
    assert how_many(through, gate, ALICE, packages) == 8
