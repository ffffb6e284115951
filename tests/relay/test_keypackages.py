"""Publishing and claiming KeyPackages."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from crypto.identity import RootKey, certify_root
from crypto.mls.group import make_key_package
from crypto.mls.key_package import KeyPackage, LeafConfig
from crypto.mls.suite import suite_by_number
from relay import keypackages
from relay.retention import delete_expired
from relay.worker import run_batch
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid, told
from wire import replies, requests
from wire.codec import encode
from wire.fields import MAX_RID
from wire.limits import KEY_PACKAGES_KEPT, MAX_KEY_PACKAGE_BYTES
from wire.pushes import PackagesLow
from wire.replies import Stock
from wire.suites import CLASSICAL, DEFAULT_SUITE, HYBRID, SUITES

SUITE = suite_by_number(DEFAULT_SUITE)


def claim(device: Device, account: str, suite: int = DEFAULT_SUITE) -> dict[bytes, bytes]:
    return dict(claimed(device, account, suite).packages)


def claimed(device: Device, account: str, suite: int) -> replies.Claimed:
    found = device.do(keypackages.claim, requests.Claim(rid(), account, suite)).reply
    assert isinstance(found, replies.Claimed)
    return found


def last_resort(device: Device, suite: int = DEFAULT_SUITE) -> bytes:
    made = make_key_package(suite_by_number(suite), device.config, last_resort=True)
    device.do(keypackages.publish, requests.Publish(rid(), suite, (), made.encoded))
    return made.encoded


def test_a_one_time_package_is_given_once_and_then_the_last_resort(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(2)
    last = last_resort(bob)
    given = [claim(alice, "BOB")[bob.id] for _ in range(4)]
    assert len(set(given[:2])) == 2
    assert last not in given[:2]
    assert given[2:] == [last, last]


def test_the_claimer_learns_who_the_account_is(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    request = requests.Claim(rid(), "bob", DEFAULT_SUITE)
    found = alice.do(keypackages.claim, request).reply
    expected = replies.Claimed(request.rid, "bob", "Bob", bob.root_certificate, ())
    assert found == expected


def test_one_for_each_device_but_the_asking_one(world: World) -> None:
    alice = world.account("Alice")
    phone = alice.sibling()
    alice.publish(3)
    phone.publish(3)
    assert set(claim(alice, "alice")) == {phone.id}
    assert set(claim(world.account("Bob"), "alice")) == {alice.id, phone.id}


def test_who_runs_low_is_told(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    bob.publish(25)
    outcome = alice.do(keypackages.claim, requests.Claim(rid(), "bob", DEFAULT_SUITE))
    assert told(outcome.events, PackagesLow) == [PackagesLow(DEFAULT_SUITE, 24)]


def test_nobody_and_no_name(world: World) -> None:
    alice = world.account("Alice")
    assert code_of(lambda: claim(alice, "nobody")) == "no_such_user"
    assert code_of(lambda: claim(alice, "a b")) == "bad_name"


def test_a71_a_race_for_the_last_one_has_one_winner(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(1)
    request = requests.Claim(rid(), "bob", DEFAULT_SUITE)

    def job(connection: Connection) -> replies.Claimed:
        outcome = keypackages.claim(connection, any_world.context, alice.who, request)
        assert isinstance(outcome.reply, replies.Claimed)
        return outcome.reply

    results = run_batch(any_world.database.write, [job] * 3)
    assert sorted(len(result.packages) for result in results) == [0, 0, 1]


def test_publishing_again_changes_nothing(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    made = make_key_package(SUITE, bob.config).encoded
    last = make_key_package(SUITE, bob.config, last_resort=True).encoded
    for _ in range(2):
        bob.do(keypackages.publish, requests.Publish(rid(), DEFAULT_SUITE, (made, made), last))
    assert [claim(alice, "bob")[bob.id] for _ in range(3)] == [made, last, last]
    newer = last_resort(bob)
    assert claim(alice, "bob")[bob.id] == newer


def test_so_many_of_each_suite_and_no_more(world: World) -> None:
    bob = world.account("Bob")
    for suite in SUITES:
        bob.publish(KEY_PACKAGES_KEPT, suite=suite)
        assert code_of(lambda suite=suite: bob.publish(1, suite=suite)) == "rate_limited"


def test_packages_of_one_suite_are_not_given_for_another(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(1, suite=CLASSICAL)
    last = {suite: last_resort(bob, suite) for suite in SUITES}
    first = claim(alice, "bob", CLASSICAL)[bob.id]
    assert first not in last.values()
    for suite in SUITES:
        assert claim(alice, "bob", suite)[bob.id] == last[suite]
    newer = last_resort(bob, HYBRID)  # renewing one leaves the other as it is
    assert claim(alice, "bob", HYBRID)[bob.id] == newer
    assert claim(alice, "bob", CLASSICAL)[bob.id] == last[CLASSICAL]
    for suite, encoded in ((HYBRID, newer), (CLASSICAL, last[CLASSICAL])):
        assert KeyPackage.decode(encoded).suite_number == suite


def test_who_has_packages_of_another_suite_only_is_named(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    older, silent = bob.sibling(), bob.sibling()
    bob.publish(1, suite=HYBRID)
    older.publish(1, suite=CLASSICAL)
    found = claimed(alice, "bob", HYBRID)
    assert (set(dict(found.packages)), found.unsuited) == ({bob.id}, (older.id,))
    assert silent.id not in found.unsuited


def test_what_is_left_is_told_by_suite(world: World) -> None:
    bob = world.account("Bob")
    bob.publish(2, suite=HYBRID)
    last_resort(bob, CLASSICAL)
    left = world.run(lambda connection: keypackages.stocks(connection, bob.who.device_row))
    assert set(left) == {Stock(HYBRID, 2, False), Stock(CLASSICAL, 0, True)}


def test_a_suite_is_one_of_ours_and_the_packages_are_of_it(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    assert code_of(lambda: claim(alice, "bob", 2)) == "bad_request"
    assert code_of(lambda: bob.publish(1, suite=3)) == "bad_request"
    made = make_key_package(suite_by_number(CLASSICAL), bob.config).encoded
    for request in (
        requests.Publish(rid(), HYBRID, (made,)),
        requests.Publish(rid(), HYBRID, (), made),
    ):
        assert code_of(lambda r=request: bob.do(keypackages.publish, r)) == "bad_request"


def test_a_whole_filling_fits_a_frame(world: World) -> None:
    """Even if each package were as large as any may be; and the largest of ours are smaller."""
    largest = bytes(MAX_KEY_PACKAGE_BYTES)
    encode(requests.Publish(MAX_RID, HYBRID, (largest,) * KEY_PACKAGES_KEPT, largest))
    root = RootKey.generate("rsa")
    certificate = certify_root(root, account="x" * 32, display="X" * 32)
    bob = Device.under(world, "X" * 32, root, certificate)
    made = make_key_package(suite_by_number(HYBRID), bob.config, last_resort=True)
    assert len(made.encoded) < MAX_KEY_PACKAGE_BYTES // 2


@pytest.mark.parametrize("wrong", ["junk", "another", "expired", "early", "ten years"])
def test_a12_what_nobody_could_use_is_not_kept(world: World, wrong: str) -> None:
    bob, other = world.account("Bob"), world.account("Eve")
    now_s = world.clock.ms // 1000
    lifetimes = {
        "expired": (now_s - 100, now_s - 1),
        "early": (now_s + 100, now_s + 200),
        "ten years": (now_s - 1, now_s + 10 * 365 * 86400),
    }
    config = other.config if wrong == "another" else bob.config
    if wrong in lifetimes:
        config = LeafConfig(
            bob.signer,
            config.credential,
            extension_types=config.extension_types,
            lifetime=lifetimes[wrong],
        )
    package = b"junk" if wrong == "junk" else make_key_package(SUITE, config).encoded
    request = requests.Publish(rid(), DEFAULT_SUITE, (package,))
    assert code_of(lambda: bob.do(keypackages.publish, request)) == "bad_request"


def test_a12_an_expired_one_is_not_given(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(1)
    any_world.clock.ms += 86_401_000
    assert claim(alice, "bob") == {}
    any_world.run(lambda c: delete_expired(c, any_world.context))
    any_world.clock.ms -= 86_401_000
    assert claim(alice, "bob") == {}
