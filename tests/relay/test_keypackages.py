"""Publishing and claiming KeyPackages."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from crypto.mls.group import make_key_package
from crypto.mls.key_package import LeafConfig
from crypto.mls.suite import SUITE_1
from relay import keypackages
from relay.retention import delete_expired
from relay.worker import run_batch
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid, told
from wire import replies, requests
from wire.limits import KEY_PACKAGES_KEPT
from wire.pushes import PackagesLow


def claim(device: Device, account: str) -> dict[bytes, bytes]:
    found = device.do(keypackages.claim, requests.Claim(rid(), account)).reply
    assert isinstance(found, replies.Claimed)
    return dict(found.packages)


def last_resort(device: Device) -> bytes:
    made = make_key_package(SUITE_1, device.config, last_resort=True)
    device.do(keypackages.publish, requests.Publish(rid(), (), made.encoded))
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
    request = requests.Claim(rid(), "bob")
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
    outcome = alice.do(keypackages.claim, requests.Claim(rid(), "bob"))
    assert told(outcome.events, PackagesLow) == [PackagesLow(24)]


def test_nobody_and_no_name(world: World) -> None:
    alice = world.account("Alice")
    assert code_of(lambda: claim(alice, "nobody")) == "no_such_user"
    assert code_of(lambda: claim(alice, "a b")) == "bad_name"


def test_a71_a_race_for_the_last_one_has_one_winner(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(1)
    request = requests.Claim(rid(), "bob")

    def job(connection: Connection) -> replies.Claimed:
        outcome = keypackages.claim(connection, any_world.context, alice.who, request)
        assert isinstance(outcome.reply, replies.Claimed)
        return outcome.reply

    results = run_batch(any_world.database.write, [job] * 3)
    assert sorted(len(result.packages) for result in results) == [0, 0, 1]


def test_publishing_again_changes_nothing(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    made = make_key_package(SUITE_1, bob.config).encoded
    last = make_key_package(SUITE_1, bob.config, last_resort=True).encoded
    for _ in range(2):
        bob.do(keypackages.publish, requests.Publish(rid(), (made, made), last))
    assert [claim(alice, "bob")[bob.id] for _ in range(3)] == [made, last, last]
    newer = last_resort(bob)
    assert claim(alice, "bob")[bob.id] == newer


def test_so_many_and_no_more(world: World) -> None:
    bob = world.account("Bob")
    bob.publish(KEY_PACKAGES_KEPT)
    assert code_of(lambda: bob.publish(1)) == "rate_limited"


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
    package = b"junk" if wrong == "junk" else make_key_package(SUITE_1, config).encoded
    request = requests.Publish(rid(), (package,))
    assert code_of(lambda: bob.do(keypackages.publish, request)) == "bad_request"


def test_a12_an_expired_one_is_not_given(any_world: World) -> None:
    alice, bob = any_world.account("Alice"), any_world.account("Bob")
    bob.publish(1)
    any_world.clock.ms += 86_401_000
    assert claim(alice, "bob") == {}
    any_world.run(lambda c: delete_expired(c, any_world.context))
    any_world.clock.ms -= 86_401_000
    assert claim(alice, "bob") == {}
