"""The `rfc9420` of PyPI through its MLSGroupSession, in an environment of its own.

Members are added as its documentation does: an Add proposal each, processed, then one commit of
them all by reference. A path commit of this version keeps the committer's leaf key and signature,
which its own receivers refuse, so nobody can process one.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from rfc9420 import DefaultCryptoProvider, GroupConfig, MemoryStorageProvider
from rfc9420.api.session import MLSGroupSession
from rfc9420.extensions.extensions import build_capabilities_data
from rfc9420.interop import wire
from rfc9420.messages.data_structures import Credential, Signature, Welcome
from rfc9420.messages.key_packages import KeyPackage, LeafNode

from bench.mls_peers.worker import DATA, Chunk, Prepare, UnsupportedError, serve

CRYPTO = DefaultCryptoProvider(suite_id=1)
CONFIG = GroupConfig(crypto_provider=CRYPTO, storage_provider=MemoryStorageProvider())
CAPABILITIES = build_capabilities_data([1], [], include_grease=False)


@dataclass(frozen=True)
class _Client:
    package: bytes
    init_private: bytes
    signature_private: bytes


@dataclass(frozen=True)
class _Grown:
    """A founder's session right after the one commit that added everybody else."""

    session: MLSGroupSession
    founder: _Client
    others: Sequence[_Client]
    welcome: Welcome


def _client(name: str) -> _Client:
    init, leaf = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    signature_key = Ed25519PrivateKey.generate()
    private = signature_key.private_bytes_raw()
    node = LeafNode(
        encryption_key=leaf.public_key().public_bytes_raw(),
        signature_key=signature_key.public_key().public_bytes_raw(),
        capabilities=CAPABILITIES,
        credential=Credential(identity=name.encode(), public_key=b""),
        lifetime_not_after=2**64 - 1,
    )
    signed = CRYPTO.sign_with_label(private, b"LeafNodeTBS", node.tbs_serialize())
    package = KeyPackage(
        init_key=init.public_key().public_bytes_raw(),
        leaf_node=replace(node, signature=Signature(signed)),
    )
    signed = CRYPTO.sign_with_label(private, b"KeyPackageTBS", package.tbs_serialize())
    package = replace(package, signature=Signature(signed))
    return _Client(package.serialize(), init.private_bytes_raw(), private)


@cache
def _clients(count: int) -> list[_Client]:
    return [_client(f"member {number}") for number in range(count)]


def _founded(founder: _Client) -> MLSGroupSession:
    package = KeyPackage.deserialize(founder.package)
    return MLSGroupSession.create_with_config(CONFIG, os.urandom(32), package)


def _added(
    session: MLSGroupSession, founder: _Client, packages: Sequence[bytes]
) -> tuple[bytes, Welcome]:
    for package in packages:
        proposal = session.add_member(KeyPackage.deserialize(package), founder.signature_private)
        session.process_proposal(proposal, session.own_leaf_index)
    commit, welcomes = session.commit(founder.signature_private)
    return commit, welcomes[0]


@cache
def _grown(members: int) -> _Grown:
    founder, *others = _clients(members)
    session = _founded(founder)
    _, welcome = _added(session, founder, [client.package for client in others])
    return _Grown(session, founder, others, welcome)


def _joined(welcome: bytes, client: _Client) -> MLSGroupSession:
    return MLSGroupSession.join_from_welcome_with_config(
        CONFIG,
        Welcome.deserialize(welcome),
        client.init_private,
        key_package=KeyPackage.deserialize(client.package),  # without it half the checks are off
    )


class _Pair:
    """Two members that talk for as long as the process lives."""

    def __init__(self) -> None:
        grown = _grown(2)
        self.private = grown.founder.signature_private
        self.sender = copy.deepcopy(grown.session)
        self.receiver = _joined(grown.welcome.serialize(), grown.others[0])

    def send(self, count: int) -> list[bytes]:
        protect, private = self.sender.protect_application, self.private
        return [protect(DATA, signing_key=private) for _ in range(count)]

    def receive(self, messages: Sequence[bytes]) -> list[bytes]:
        unprotect = self.receiver.unprotect_application
        return [unprotect(message)[1] for message in messages]


_pair = cache(_Pair)


def _protect(count: int, members: int) -> Chunk:
    pair = _pair()

    def check(messages: list[bytes]) -> dict[str, int]:
        assert pair.receive(messages) == [DATA] * count
        return {"message": len(messages[-1])}

    return Chunk(lambda: pair.send(count), check)


def _unprotect(count: int, members: int) -> Chunk:
    pair = _pair()
    messages = pair.send(count)

    def check(texts: list[bytes]) -> dict[str, int]:
        assert texts == [DATA] * count
        return {"message": len(messages[-1])}

    return Chunk(lambda: pair.receive(messages), check)


def _add(count: int, members: int) -> Chunk:
    founder, *others = _clients(members)
    session, packages = _founded(founder), [client.package for client in others]
    # It keeps every handshake message that it ever encoded, by its bytes.
    wire._HANDSHAKE_DECODE_CACHE.clear()

    def run() -> tuple[bytes, bytes]:
        commit, welcome = _added(session, founder, packages)
        return commit, welcome.serialize()

    def check(made: tuple[bytes, bytes]) -> dict[str, int]:
        assert session.epoch == 1
        assert session.member_count >= members  # it counts blank leaves too
        return {"commit": len(made[0]), "welcome": len(made[1])}

    return Chunk(run, check)


def _join(count: int, members: int) -> Chunk:
    grown = _grown(members)
    client = grown.others[-1]
    # A Welcome of its own for each joiner, as `return_per_joiner_welcomes` gives it: with the
    # common one this library tries to decrypt every entry until one opens.
    welcome = grown.welcome.split_by_joiner()[-1].serialize()

    def check(session: MLSGroupSession) -> dict[str, int]:
        exported = session.export_secret(b"bench", b"", 32)
        assert exported == grown.session.export_secret(b"bench", b"", 32)
        return {"welcome": len(welcome)}

    return Chunk(lambda: _joined(welcome, client), check)


def _path(count: int, members: int) -> Chunk:
    grown = _grown(members)
    session = copy.deepcopy(grown.session)

    def check(commit: tuple[bytes, list[Welcome]]) -> dict[str, int]:
        assert session.epoch == grown.session.epoch + 1
        return {"commit": len(commit[0])}

    return Chunk(lambda: session.commit(grown.founder.signature_private), check)


def _process(count: int, members: int) -> Chunk:
    raise UnsupportedError("refuses its own path commits")


OPERATIONS: dict[str, Prepare] = {
    "protect": _protect,
    "unprotect": _unprotect,
    "add": _add,
    "join": _join,
    "path": _path,
    "process": _process,
}

if __name__ == "__main__":
    serve(OPERATIONS)
