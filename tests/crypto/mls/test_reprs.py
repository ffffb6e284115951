"""What a log or a traceback would show of a group: no secret, and nothing that anybody said.

Two nets: by type, no dataclass of crypto/mls shows bytes unless they are known to be public; and by
value, nothing that one object hides is shown by another while a group lives.
"""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import crypto.mls
from crypto.mls.extensions import Extension
from crypto.mls.framing import ContentType, FramedContent, member
from crypto.mls.group import Group, OpenedWelcome, external_draft, from_rows, open_welcome, rows
from crypto.mls.proposals import PreSharedKey, ReInit, Remove, external_psk
from crypto.mls.psk import ResumptionPskId, ResumptionUsage
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    config,
    group_of,
    key_package,
    signing_key,
    tree_of,
)

SAID = b"meet me at nine"
ROOM_SECRET = b"the key of a password room"


def test_a91_what_somebody_said_is_not_shown() -> None:
    members = group_of("alice", "bob")
    _, message = members["alice"].protect(SAID, signer=signing_key("alice"))
    after, opened = members["bob"].unprotect(message)
    content = FramedContent(b"g", 0, member(0), b"", ContentType.APPLICATION, SAID)
    assert opened.data == content.content == SAID
    assert SAID.decode() not in repr((opened, after, content))


def test_a91_what_a_welcome_brings_is_not_shown() -> None:
    alice, own = group_of("alice")["alice"], key_package("bob")
    secret = Extension(0xF300, ROOM_SECRET)
    commit = alice.draft([add(own)]).finish(
        signer=signing_key("alice"), welcome_extensions=[secret]
    )
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    assert secret in opened.group_info.extensions
    assert ROOM_SECRET.decode() not in repr((opened, opened.group_info, secret, commit))


def test_a91_no_secret_of_a_group_is_shown() -> None:
    alice = group_of("alice", "bob")["alice"]
    shown = repr((alice, alice.secrets, alice.secret_tree))
    for secret in (alice.secrets.init, alice.secrets.exporter, *alice.private_keys.values()):
        assert repr(secret)[2:-1] not in shown


# By type.

# Names of bytes that everybody may see: they are sent in clear, or sealed, or signed, or hashed.
PUBLIC = frozenset(
    {
        "authenticated_data",
        "ciphertext",
        "confirmation_tag",
        "confirmed_transcript_hash",
        "content",  # of a credential, or of a proposal of an unknown type; a message's is hidden
        "encoded",
        "encrypted_group_info",
        "encrypted_sender_data",
        "encryption_key",
        "epoch_authenticator",  # is there to be compared aloud (8.7)
        "external_init",
        "group_id",
        "group_info",
        "init_key",
        "interim_transcript_hash",
        "kem_output",
        "membership_tag",
        "message",
        "new_member",
        "nonce",  # psk_nonce; a message key's is hidden
        "parent_hash",
        "psk_id",
        "public_keys",
        "reference",
        "reuse_guard",
        "signature",
        "signature_key",
        "tree_hash",
        "welcome",
        *("suite_id", "kdf_id", "aead_id"),  # numbers of registries
        "_hash",
    }
)
# Fields that bear such a name and are secret all the same.
HIDDEN = {("MessageKey", "nonce"), ("MessageKey", "key"), ("FramedContent", "content")}


def _classes() -> list[type[Any]]:
    """Every dataclass of crypto/mls."""
    found: dict[type[Any], None] = {}
    for module in pkgutil.iter_modules(crypto.mls.__path__, "crypto.mls."):
        for value in vars(importlib.import_module(module.name)).values():
            is_class = isinstance(value, type) and dataclasses.is_dataclass(value)
            if is_class and value.__module__.startswith("crypto.mls"):
                found[value] = None
    return list(found)


def _holds_bytes(hint: object) -> bool:
    is_function = get_origin(hint) is Callable
    return hint is bytes or (not is_function and any(map(_holds_bytes, get_args(hint))))


@pytest.mark.parametrize("cls", _classes(), ids=lambda cls: cls.__name__)
def test_a91_a_dataclass_shows_only_bytes_that_are_public(cls: type[Any]) -> None:
    hints = get_type_hints(cls)
    shown = {one.name for one in dataclasses.fields(cls) if one.repr}
    shows_bytes = {name for name in shown if _holds_bytes(hints[name])}
    assert shows_bytes <= PUBLIC
    assert not {name for kind, name in HIDDEN if kind == cls.__name__} & shown


def test_every_dataclass_is_looked_at() -> None:
    names = {cls.__name__ for cls in _classes()}
    assert len(names) > 60
    assert {"EpochSecrets", "Ratchet", "GroupSecrets", "Draft", "OwnKeyPackage"} <= names
    assert {kind for kind, _ in HIDDEN} <= names


# By value.

# Hidden because some send it in clear and others sealed. Names that begin with an underscore are of
# what was computed before, out of what is shown.
OPEN = {("Extension", "data"), ("FramedContent", "content")}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every dataclass instance of crypto/mls that is made during the test."""
    instances: list[Any] = []
    for cls in _classes():
        if "__init__" in vars(cls):
            monkeypatch.setattr(cls, "__init__", _recording(cls.__init__, instances))
    return instances


def _recording(init: Any, instances: list[Any]) -> Any:
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        instances.append(self)

    return recorded


def _bytes_in(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _bytes_in(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from _bytes_in(one)


def _hidden(instances: list[Any]) -> set[bytes]:
    """What the instances hide, but for what is too short or too plain to be told apart."""
    return {
        value
        for instance in instances
        for one in dataclasses.fields(instance)
        if not one.repr and not one.name.startswith("_")
        if (type(instance).__name__, one.name) not in OPEN
        for value in _bytes_in(getattr(instance, one.name))
        if len(value) >= 12 and len(set(value)) > 1
    }


def _live() -> None:
    """A group's life: messages, proposals, Commits with keys and without, Welcomes, outsiders."""
    psks = {b"room": b"the key of a room, 32 bytes long"}
    members = group_of("alice", "bob", "carol")
    alice, bob = members["alice"], members["bob"]
    alice, _ = alice.protect(b"never arrives, is skipped", signer=signing_key("alice"))
    alice, said = alice.protect(b"what alice said to bob", signer=signing_key("alice"))
    bob = from_rows(rows(bob.unprotect(said)[0]))
    bob, asked = bob.propose_update(config("bob"), signer=signing_key("bob"))
    alice = alice.receive_proposal(asked)
    past = PreSharedKey(
        ResumptionPskId(ResumptionUsage.APPLICATION, alice.group_id, alice.epoch, nonce=bytes(32))
    )
    own = key_package("dora")
    draft = alice.draft([add(own), external_psk(SUITE_1, b"room"), past], psks=psks)
    commit = draft.finish(signer=signing_key("alice"))
    staged = bob.stage(commit.message, psks=psks)
    assert staged.group is not None
    second = commit.group.draft([add(key_package("erin")), Remove(2)]).finish(
        signer=signing_key("alice")
    )
    third = staged.group.stage(second.message).group
    assert third is not None
    outside = external_draft(
        second.group_info,
        tree_of(second.group),
        config=config("frank"),
        psk_ids=[b"room"],
        psks=psks,
    )
    joined = outside.finish(signer=signing_key("frank"))
    after: Group | None = third.stage(joined.message, psks=psks).group
    assert after is not None
    after.draft([ReInit(b"new", 1, 1, ())]).finish(signer=signing_key("bob"))
    fresh = key_package("grace")
    plain = after.draft([add(fresh)]).finish(signer=signing_key("bob"))
    assert plain.welcome is not None
    opened: OpenedWelcome = open_welcome(plain.welcome, {fresh.reference: fresh})
    opened.join(tree_of(plain.group))
    after.export_secret("label", b"context", 32)


def test_a91_nothing_that_is_hidden_is_shown_by_something_else(made: list[Any]) -> None:
    _live()
    kinds = {type(instance).__name__ for instance in made}
    assert len(kinds) > 55
    secrets = _hidden(made)
    assert len(secrets) > 100
    needles = {repr(secret)[2:-1] for secret in secrets} | {secret.hex() for secret in secrets}
    shown = "\n".join({repr(instance) for instance in made})
    assert [needle for needle in needles if needle in shown] == []
