"""A relay without its connections: database, context, clock; and what tests ask of outcomes."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy import Connection

from crypto.ed25519 import SigningKey
from crypto.identity import verify_chain
from crypto.mls.extensions import (
    Extension,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
)
from crypto.mls.group import Change
from relay.context import Context, Limits, Proof, Who
from relay.group_facts import RELAY_CREDENTIAL
from relay.outcome import Event, Outcome, Stored, ToAccounts, ToDevices, ToEverybody
from relay.worker import run_batch
from storage.relay.database import Database
from wire.codec import decode_from_relay, decode_request, encode
from wire.entry import Effect, EffectKind
from wire.errors import WireError
from wire.policy import POLICY_EXTENSION, Policy, encode_policy

START_MS = 1_700_000_000_000
S = TypeVar("S", bound=msgspec.Struct)
_rids = itertools.count(1)
_transactions = itertools.count(1)


def rid() -> int:
    """A fresh request number."""
    return next(_rids)


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


class Relay:
    """A relay's database and context, and the ways to run an operation on it."""

    def __init__(self, database: Database, *, limits: Limits | None = None) -> None:
        self.database = database
        self.clock = Clock()
        self.online: set[str] = set()
        self.context = Context(
            SigningKey.generate(),
            os.urandom(32),
            limits or Limits(bcrypt_cost=4),
            now_ms=self.clock,
            is_online=lambda account: account in self.online,
        )

    def run(self, job: Callable[[Connection], Any]) -> Any:
        """Run a job as the writer would; raise what it raised."""
        result = run_batch(self.database.write, [job])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def do(self, operation: Any, who: Who, request: Any) -> Outcome:
        """Run an operation on what really travels, and check that its answer can travel too."""
        travelled = decode_request(encode(request))
        outcome = self.run(lambda c: operation(c, self.context, who, travelled))
        assert isinstance(outcome, Outcome)
        if outcome.reply is not None:
            assert decode_from_relay(encode(outcome.reply)) == outcome.reply
        return outcome

    def proof(self) -> Proof:
        """What the devices of a connection sign."""
        nonces = os.urandom(32), os.urandom(32)
        return Proof(*nonces, self.context.signing_key.public, sha256(b"tls").digest())


def sender_type(message: bytes, conversation: bytes) -> bytes:
    """The sender type of a PublicMessage."""
    return message[4 + 1 + len(conversation) + 8 :][:1]


def fresh_transaction() -> bytes:
    """A transaction id that was not used."""
    return next(_transactions).to_bytes(16, "big")


def replace_struct(value: S, changes: dict[str, Any]) -> S:
    """A msgspec struct with the fields among `changes` that it has."""
    known = {name: new for name, new in changes.items() if name in value.__struct_fields__}
    return msgspec.structs.replace(value, **known)


def group_extensions(world: Relay, policy: Policy) -> tuple[Extension, ...]:
    """What every conversation's GroupContext holds."""
    required = RequiredCapabilities(extensions=(POLICY_EXTENSION,), credentials=(2,))
    sender = ExternalSender(world.context.signing_key.public, RELAY_CREDENTIAL)
    return (
        required.extension(),
        external_senders_extension((sender,)),
        Extension(POLICY_EXTENSION, encode_policy(policy)),
    )


def effect_of(world: Relay, change: Change) -> Effect:
    """What a commit declares of one change."""
    identity = verify_chain(change.member.credential.certificates)
    kind = EffectKind.ADDED if change.kind == "added" else EffectKind.REMOVED
    key_hash = sha256(change.member.signature_key).digest()
    return Effect(kind, identity.account, identity.device_id, change.leaf_index, key_hash)


def code_of(call: Callable[[], Any]) -> str:
    """The code of the WireError that a call raises."""
    with pytest.raises(WireError) as caught:
        call()
    return caught.value.code.value


def told(events: Sequence[Event], kind: type) -> list[Any]:
    """The pushes of a kind among events."""
    pushes = [
        each.push for each in events if isinstance(each, ToDevices | ToAccounts | ToEverybody)
    ]
    return [push for push in pushes if isinstance(push, kind)]


def stored(events: Sequence[Event]) -> list[Stored]:
    """The stored entries among events."""
    return [event for event in events if isinstance(event, Stored)]
