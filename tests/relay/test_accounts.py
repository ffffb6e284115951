"""Registration: every check, the races that the database decides, and the admin code."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from sqlalchemy import Connection

from crypto.identity import RootKey, certify_device, certify_root
from relay import accounts, passwords
from relay.admin_code import ensure_admin_code, replace_admin_code
from relay.worker import run_batch
from tests.relay.actors import PASSWORD, Device, World
from tests.relay.worlds import code_of
from wire.replies import Stock
from wire.suites import SUITES


def check(world: World, device: Device, **changes: Any) -> accounts.Registration:
    proof = world.proof()
    return accounts.check_registration(device.registration(proof, **changes), proof)


def test_the_first_device_is_logged_in(world: World) -> None:
    reply = Device.fresh(world, "Alice").register(email="Alice@Example.org")
    assert (reply.account, reply.display, reply.is_admin) == ("alice", "Alice", False)
    assert reply.stocks == tuple(Stock(suite, 0, False) for suite in SUITES)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "a b"}, "bad_name"),
        ({"name": "support"}, "bad_name"),
        ({"name": "admin"}, "bad_admin_code"),
        ({"name": "other"}, "bad_request"),
        ({"password": "short"}, "weak_password"),
        ({"password": "Password1"}, "weak_password"),
        ({"email": "nowhere"}, "bad_request"),
        ({"proof": bytes(64)}, "bad_credentials"),
        ({"chain": (b"no", b"certificate")}, "bad_request"),
    ],
)
def test_what_is_wrong_in_itself_is_refused(
    world: World, changes: dict[str, Any], code: str
) -> None:
    device = Device.fresh(world, "Alice")
    assert code_of(lambda: check(world, device, **changes)) == code


def test_a_proof_of_another_connection_is_refused(world: World) -> None:
    device, first, second = Device.fresh(world, "Alice"), world.proof(), world.proof()
    request = device.registration(first)
    assert code_of(lambda: accounts.check_registration(request, second)) == "bad_credentials"


@pytest.mark.parametrize("part", ["client_nonce", "relay_nonce", "relay_key", "tls_spki_hash"])
def test_a_proof_covers_every_part_of_the_connection(world: World, part: str) -> None:
    device, proof = Device.fresh(world, "Alice"), world.proof()
    request = device.registration(proof)
    other = dataclasses.replace(proof, **{part: bytes(32)})
    assert code_of(lambda: accounts.check_registration(request, other)) == "bad_credentials"


@pytest.mark.parametrize("other", ["alice", "ALICE", "aIice", "al1ce", "ａｌｉｃｅ"])
def test_a64_one_form_and_one_look_of_a_name(world: World, other: str) -> None:
    world.account("Alice")
    assert code_of(lambda: _register_as(world, other)) in ("name_taken", "bad_name")


@pytest.mark.parametrize("other", ["ali\u200bce", "\u202ealice", "al\ufb01ce", "\u0430lice"])
def test_a64_what_hides_or_mixes_is_refused_at_the_door(world: World, other: str) -> None:
    device = Device.fresh(world, "plain")
    assert code_of(lambda: check(world, device, name=other)) == "bad_name"


def test_a64_two_encodings_of_a_name_are_one(world: World) -> None:
    _register_as(world, "jos\u00e9")
    assert code_of(lambda: _register_as(world, "jose\u0301")) == "name_taken"
    assert code_of(lambda: _register_as(world, "JOS\u00c9")) == "name_taken"


def _register_as(world: World, name: str) -> None:
    from wire.names import canonical_name, display_name

    root = RootKey.generate("ed25519")
    account = canonical_name(name)
    certificate = certify_root(root, account=account, display=display_name(name))
    device = Device.under(world, name, root, certificate)
    device.account = account
    device.register()


def test_an_email_is_one_accounts(world: World) -> None:
    world.account("Alice", email="a@example.org")
    device = Device.fresh(world, "Bob")
    assert code_of(lambda: device.register(email="A@EXAMPLE.org")) == "email_taken"
    assert code_of(lambda: Device.fresh(world, "alice").register()) == "name_taken"


def test_a_root_or_a_device_key_is_one_accounts(world: World) -> None:
    alice = world.account("Alice")
    certificate = certify_root(alice.root, account="bob", display="Bob")
    thief = Device.under(world, "Bob", alice.root, certificate)
    assert code_of(thief.register) == "bad_request"
    other = Device.fresh(world, "Carol")
    other.signer = alice.signer
    other.certificate = certify_device(
        other.root, other.root_certificate, device_key=alice.signer.public
    )
    assert code_of(other.register) == "bad_request"


def test_a_race_for_a_name_has_one_winner(any_world: World) -> None:
    world = any_world
    devices = [Device.fresh(world, "Alice") for _ in range(3)]
    jobs = []
    for device in devices:
        wanted = check(world, device)
        stored = passwords.hash_password(world.context, PASSWORD)

        def job(c: Connection, wanted: Any = wanted, stored: str = stored) -> Any:
            return accounts.register(c, world.context, wanted, stored)

        jobs.append(job)
    results = run_batch(world.database.write, jobs)
    codes = [getattr(result, "code", "won") for result in results]
    assert sorted(codes) == ["name_taken", "name_taken", "won"]


class TestAdminCode:
    def code(self, world: World) -> str:
        made = world.run(lambda c: ensure_admin_code(c, world.context.random))
        assert isinstance(made, str)
        return made

    def test_it_makes_the_admin_once(self, world: World) -> None:
        code = self.code(world)
        typed = code.lower().replace("-", " ")
        reply = Device.fresh(world, "Admin").register(admin_code=typed)
        assert reply.is_admin
        assert world.run(lambda c: ensure_admin_code(c, world.context.random)) is None
        other = Device.fresh(world, "admin")
        assert code_of(lambda: other.register(admin_code=code)) == "bad_admin_code"

    def test_a_wrong_one_makes_nothing(self, world: World) -> None:
        self.code(world)
        device = Device.fresh(world, "Admin")
        for wrong in ("0", "A" * 25, "é"):
            assert code_of(lambda w=wrong: device.register(admin_code=w)) == "bad_admin_code"

    def test_it_makes_that_name_only(self, world: World) -> None:
        code = self.code(world)
        assert not Device.fresh(world, "Bob").register(admin_code=code).is_admin
        device = Device.fresh(world, "Root")
        assert code_of(lambda: device.register(admin_code=code)) == "bad_name"

    def test_it_is_made_once_and_replaced_on_demand(self, world: World) -> None:
        old = self.code(world)
        assert world.run(lambda c: ensure_admin_code(c, world.context.random)) is None
        new = world.run(lambda c: replace_admin_code(c, world.context.random))
        device = Device.fresh(world, "Admin")
        assert code_of(lambda: device.register(admin_code=old)) == "bad_admin_code"
        assert device.register(admin_code=new).is_admin

    def test_the_database_does_not_hold_it(self, world: World) -> None:
        code = self.code(world)
        raw = b"".join(
            path.read_bytes()
            for path in world.database.path.parent.iterdir()  # type: ignore[union-attr]
        )
        assert code.encode() not in raw
        assert code.replace("-", "").encode() not in raw
