"""Logging in by password, by device, and with a new device or a new identity."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from crypto.identity import RootKey, certify_root
from relay import admin, leaving, logins
from relay.outcome import AskCommit, EndSessions, ToEverybody
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid
from wire import replies, requests
from wire.entry import OrderKind
from wire.limits import MAX_MEMBER_DEVICES
from wire.pushes import EndReason, RootChanged
from wire.requests import Act


def log_in(device: Device, name: str | None = None, *, device_id: bytes | None = b"") -> Any:
    world, proof = device.world, device.world.proof()
    shown = device.id if device_id == b"" else device_id
    signature = device.prove(proof) if shown is not None else None
    request = requests.Login(rid(), name or device.display, "", shown, signature)

    def job(connection: Connection) -> Any:
        found = logins.find_account(connection, request.name)
        assert found is not None
        return logins.log_in(connection, world.context, found, request, proof)

    return world.run(job)


def resume(device: Device, /, **changes: Any) -> Any:
    world, proof = device.world, device.world.proof()
    values = {"account": device.account, "device": device.id, "proof": device.prove(proof)}
    request = requests.Resume(rid(), **(values | changes))
    return world.run(lambda c: logins.resume(c, world.context, request, proof))


def test_a_known_device_logs_in_by_name_or_email(world: World) -> None:
    alice = world.account("Alice", email="a@example.org")
    for name in ("ALICE", "A@example.ORG"):
        who, reply = log_in(alice, name)
        assert (who.account, who.device) == ("alice", alice.id)
        assert isinstance(reply, replies.LoggedIn)


def test_an_unknown_device_is_told_what_it_needs(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    for shown in (None, bytes(16), bob.id):
        who, reply = log_in(alice, device_id=shown)
        assert who is None
        assert isinstance(reply, replies.AccountFound)
        assert (reply.root_certificate, reply.sealed_root) == (alice.root_certificate, b"sealed")


def test_a50_a_proof_is_worth_nothing_on_another_connection(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    other = world.proof()
    for signature in (bytes(64), alice.prove(other), bob.prove(other)):
        assert code_of(lambda s=signature: resume(alice, proof=s)) == "bad_credentials"
    request = requests.Login(rid(), "alice", "", alice.id, alice.prove(other))

    def job(connection: Connection) -> Any:
        found = logins.find_account(connection, "alice")
        assert found is not None
        return logins.log_in(connection, world.context, found, request, world.proof())

    assert code_of(lambda: world.run(job)) == "bad_credentials"


def test_a_known_device_reconnects_by_its_signature(world: World) -> None:
    alice, bob = world.account("Alice"), world.account("Bob")
    world.clock.ms += 5000
    who, reply = resume(alice)
    assert who == alice.who
    assert isinstance(reply, replies.LoggedIn)
    (seen,) = alice.do(logins.list_devices, requests.ListDevices(rid())).reply.devices  # type: ignore[union-attr]
    assert (seen.seen_at_ms, seen.is_current) == (world.clock.ms, True)
    for wrong in (
        {"account": "bob"},
        {"device": bob.id},
        {"account": "nobody"},
        {"device": bytes(16)},
    ):
        assert code_of(lambda w=wrong: resume(alice, **w)) == "bad_credentials"


def test_a80_a_name_that_no_database_takes_is_nobodys(any_world: World) -> None:
    alice = any_world.account("Alice")
    for name in ("\0", "alice\0", "Alice", "bob"):
        assert code_of(lambda n=name: resume(alice, account=n)) == "bad_credentials"
        wrong = {"account": name, "device": bytes(16)}
        assert code_of(lambda w=wrong: resume(alice, **w)) == "bad_credentials"


def test_a_ban_until_the_end_of_time_is_told(world: World) -> None:
    alice = world.account("Alice")
    world.run(
        lambda c: admin.act_as_operator(c, world.context, Act.BAN, "alice", for_s=(1 << 40) - 1)
    )
    assert code_of(lambda: resume(alice)) == "banned"


def test_a_ban_is_told_only_to_whom_it_concerns(world: World) -> None:
    alice = world.account("Alice")
    world.run(
        lambda c: admin.act_as_operator(c, world.context, Act.BAN, "alice", reason="spam", for_s=60)
    )
    assert code_of(lambda: log_in(alice)) == "banned"
    assert code_of(lambda: log_in(alice, device_id=None)) == "banned"
    assert code_of(lambda: resume(alice)) == "banned"
    assert code_of(lambda: resume(alice, proof=bytes(64))) == "bad_credentials"
    other = Device.under(world, "Alice", alice.root, alice.root_certificate)
    assert code_of(other.enroll) == "banned"
    world.clock.ms += 60_001
    assert resume(alice)[0] == alice.who


class TestEnroll:
    def test_repeating_it_logs_the_device_in(self, world: World) -> None:
        phone = world.account("Alice").sibling()
        before = phone.who
        phone.enroll()
        assert phone.who == before

    def test_another_identity_needs_to_be_meant(self, world: World) -> None:
        world.account("Alice")
        stranger = Device.fresh(world, "Alice")
        assert code_of(stranger.enroll) == "bad_request"
        assert code_of(lambda: stranger.enroll(new_identity=True)) == "bad_request"

    def test_a_chain_of_another_account_is_refused(self, world: World) -> None:
        world.account("Alice")
        bob = world.account("Bob")
        bob.display = "Alice"
        bob.account = "alice"
        assert code_of(bob.enroll) == "bad_request"

    def test_a_device_of_another_account_is_refused(self, world: World) -> None:
        from crypto.identity import certify_device

        alice, bob = world.account("Alice"), world.account("Bob")
        thief = Device.under(world, "Alice", alice.root, alice.root_certificate)
        thief.signer = bob.signer
        thief.certificate = certify_device(
            alice.root, alice.root_certificate, device_key=bob.signer.public
        )
        assert code_of(thief.enroll) == "bad_request"

    def test_an_account_has_so_many_devices(self, world: World) -> None:
        alice = world.account("Alice")
        for _ in range(MAX_MEMBER_DEVICES - 1):
            alice.sibling()
        assert code_of(alice.sibling) == "rate_limited"

    def test_a_new_identity_inherits_nothing(self, world: World) -> None:
        alice, bob = world.account("Alice"), world.account("Bob")
        room = alice.room()
        bob.join(room)
        new = Device.fresh(world, "Alice")
        outcome = new.enroll(new_identity=True, sealed_root=b"new")
        (ended,) = [e for e in outcome.events if isinstance(e, EndSessions)]
        assert (ended.device, ended.ended.reason) == (alice.id, EndReason.REVOKED)
        assert ToEverybody(RootChanged("alice")) in outcome.events
        (ask,) = [e for e in outcome.events if isinstance(e, AskCommit)]
        assert ask.candidates == (bob.id,)
        assert code_of(lambda: resume(alice)) == "removed"
        assert code_of(lambda: log_in(alice)) == "removed"
        bob.catch_up(room)
        bob.send_commit(room, bob.commit(room))
        assert code_of(lambda: new.fetch(room)) == "forbidden"
        certificate = certify_root(alice.root, account="carol", display="Carol")
        thief = Device.under(world, "Carol", alice.root, certificate)
        assert code_of(thief.register) == "bad_request"

    def test_a_used_root_is_no_new_identity(self, world: World) -> None:
        alice, bob = world.account("Alice"), world.account("Bob")
        certificate = certify_root(bob.root, account="alice", display="Alice")
        thief = Device.under(world, "Alice", bob.root, certificate)
        assert code_of(lambda: thief.enroll(new_identity=True, sealed_root=b"x")) == "bad_request"
        fresh = RootKey.generate("ed25519")
        certificate = certify_root(fresh, account="alice", display="Alice")
        device = Device.under(world, "Alice", fresh, certificate)
        device.signer, device.certificate = alice.signer, alice.certificate
        assert code_of(lambda: device.enroll(new_identity=True, sealed_root=b"x")) == "bad_request"


class TestRevoke:
    def test_a70_a_revoked_device_is_out_everywhere(self, any_world: World) -> None:
        world = any_world
        alice, bob = world.account("Alice"), world.account("Bob")
        phone = alice.sibling()
        phone.publish()
        room = bob.room()
        alice.join(room)
        phone.join(room)
        order = alice.order(OrderKind.REVOKE, device=phone.id)
        request = requests.RevokeDevice(rid(), phone.id, order)
        outcome = alice.do(leaving.revoke_device, request)
        (ended,) = [e for e in outcome.events if isinstance(e, EndSessions)]
        assert (ended.device, ended.ended.reason) == (phone.id, EndReason.REVOKED)
        assert any(isinstance(e, AskCommit) for e in outcome.events)
        assert code_of(lambda: resume(phone)) == "removed"
        assert code_of(phone.enroll) == "removed"
        assert bob.adds_of("alice") == []
        assert alice.do(leaving.revoke_device, request).events == ()

    @pytest.mark.parametrize(
        "changes",
        [
            {"device": bytes(16)},
            {"conversation": bytes(16)},
            {"issued_at_ms": 1},
            {"account": "bob"},
            {"root": bytes(32)},
            {"kind": OrderKind.LEAVE},
        ],
    )
    def test_only_by_its_own_order(self, world: World, changes: dict[str, Any]) -> None:
        alice = world.account("Alice")
        world.account("Bob")
        phone = alice.sibling()
        order = alice.order(OrderKind.REVOKE, **({"device": phone.id} | changes))
        request = requests.RevokeDevice(rid(), phone.id, order)
        assert code_of(lambda: alice.do(leaving.revoke_device, request)) == "bad_request"

    def test_nobody_revokes_anothers_device(self, world: World) -> None:
        alice, bob = world.account("Alice"), world.account("Bob")
        for signer in (bob, alice):
            order = signer.order(OrderKind.REVOKE, bob, device=alice.id)
            request = requests.RevokeDevice(rid(), alice.id, order)
            assert code_of(lambda r=request: bob.do(leaving.revoke_device, r)) == "bad_request"

    def test_what_it_asked_in_the_same_moment_is_not_done(self, world: World) -> None:
        alice = world.account("Alice")
        phone = alice.sibling()
        order = alice.order(OrderKind.REVOKE, phone, device=phone.id)
        alice.do(leaving.revoke_device, requests.RevokeDevice(rid(), phone.id, order))
        assert code_of(phone.room) == "removed"
        assert code_of(phone.publish) == "removed"
