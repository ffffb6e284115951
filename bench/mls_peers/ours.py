"""Our crypto/mls through its face, crypto.mls.group, doing what its peers do.

Each chunk starts from states that no timed code has touched, and from cold caches: what the
library may remember from one round would not be there for whoever does it once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.mls_peers.worker import DATA, Chunk, Prepare, UnsupportedError, serve
from crypto.ed25519 import SigningKey
from crypto.mls.credential import Credential
from crypto.mls.group import (
    Group,
    KeyPackage,
    LeafConfig,
    OwnCommit,
    OwnKeyPackage,
    RatchetTree,
    create,
    external_draft,
    make_key_package,
    open_welcome,
)
from crypto.mls.proposals import Add
from crypto.mls.suite import SUITE_1, SUITES, Suite

PRIVATE_USE = 0xF000  # where the hybrid suites are numbered


@dataclass(frozen=True)
class _Client:
    config: LeafConfig
    own: OwnKeyPackage


@dataclass(frozen=True)
class _Grown:
    """A founder's group right after the one commit that added everybody else."""

    founder: _Client
    others: Sequence[_Client]
    commit: OwnCommit

    def joined(self, client: _Client) -> Group:
        """The state of one of the others, from bytes."""
        return _joined(self, client, self.commit.group.tree.encode())


def _client(suite: Suite, name: str) -> _Client:
    config = LeafConfig(SigningKey.generate(), Credential.basic(name.encode()))
    return _Client(config, make_key_package(suite, config))


def _clients(suite: Suite, count: int) -> list[_Client]:
    return [_client(suite, f"member {number}") for number in range(count)]


def _founded(suite: Suite, founder: _Client) -> Group:
    return create(suite=suite, group_id=os.urandom(32), config=founder.config)[0]


def _added(group: Group, founder: _Client, packages: Sequence[bytes]) -> OwnCommit:
    adds = [Add(KeyPackage.decode(package)) for package in packages]
    return group.draft(adds, path=False).finish(signer=founder.config.signer)


def _grown(suite: Suite, members: int) -> _Grown:
    founder, *others = _clients(suite, members)
    packages = [client.own.encoded for client in others]
    return _Grown(founder, others, _added(_founded(suite, founder), founder, packages))


def _joined(grown: _Grown, client: _Client, tree: bytes) -> Group:
    assert grown.commit.welcome is not None
    opened = open_welcome(grown.commit.welcome, {client.own.reference: client.own})
    return opened.join(RatchetTree.decode(opened.suite, tree))


class _Pair:
    """Two members that talk for as long as the process lives."""

    def __init__(self) -> None:
        grown = _grown(SUITE_1, 2)
        self.signer = grown.founder.config.signer
        self.sender = grown.commit.group
        self.receiver = grown.joined(grown.others[0])

    def send(self, count: int) -> list[bytes]:
        group, signer, messages = self.sender, self.signer, []
        for _ in range(count):
            group, message = group.protect(DATA, signer=signer)
            messages.append(message)
        self.sender = group
        return messages

    def receive(self, messages: Sequence[bytes]) -> list[bytes]:
        group, texts = self.receiver, []
        for message in messages:
            group, said = group.unprotect(message)
            texts.append(said.data)
        self.receiver = group
        return texts


_pair = cache(_Pair)
_grown_once = cache(_grown)


def forget() -> None:
    """Empty every cache of the product."""
    for name, module in list(sys.modules.items()):
        if name.startswith("crypto"):
            for value in vars(module).values():
                clear = getattr(value, "cache_clear", None)
                if clear is not None:
                    clear()


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
    founder, *others = _clients(SUITE_1, members)
    group, packages = _founded(SUITE_1, founder), [client.own.encoded for client in others]
    forget()

    def check(commit: OwnCommit) -> dict[str, int]:
        assert commit.welcome is not None
        assert commit.group.tree.members == members
        return {"commit": len(commit.message), "welcome": len(commit.welcome)}

    return Chunk(lambda: _added(group, founder, packages), check)


def _join(count: int, members: int) -> Chunk:
    grown = _grown_once(SUITE_1, members)
    client, tree = grown.others[-1], grown.commit.group.tree.encode()
    forget()

    def check(group: Group) -> dict[str, int]:
        assert group.epoch_authenticator == grown.commit.group.epoch_authenticator
        return {"welcome": len(grown.commit.welcome or b""), "tree": len(tree)}

    return Chunk(lambda: _joined(grown, client, tree), check)


def _path_in(suite: Suite, members: int) -> Chunk:
    grown = _grown(suite, members)
    group, signer = grown.commit.group, grown.founder.config.signer

    def check(commit: OwnCommit) -> dict[str, int]:
        assert commit.group.epoch == group.epoch + 1
        return {"commit": len(commit.message)}

    return Chunk(lambda: group.draft().finish(signer=signer), check)


def _path(count: int, members: int) -> Chunk:
    return _path_in(SUITE_1, members)


def _hybrid(count: int, members: int) -> Chunk:
    hybrids = [suite for number, suite in sorted(SUITES.items()) if number >= PRIVATE_USE]
    if not hybrids:
        raise UnsupportedError("has no hybrid suite yet")
    return _path_in(hybrids[0], members)


def _process(count: int, members: int) -> Chunk:
    grown = _grown_once(SUITE_1, members)
    commit = grown.commit.group.draft().finish(signer=grown.founder.config.signer)
    groups = [grown.joined(client) for client in grown.others[-count:]]
    forget()

    def check(after: list[Group | None]) -> dict[str, int]:
        assert len(after) == count
        for group in after:
            assert group is not None
            assert group.epoch_authenticator == commit.group.epoch_authenticator
        return {"commit": len(commit.message)}

    return Chunk(lambda: [group.stage(commit.message).group for group in groups], check)


def _external(count: int, members: int) -> Chunk:
    grown, newcomer = _grown_once(SUITE_1, members), _client(SUITE_1, "newcomer")
    group = grown.commit.group
    info, tree = group.signed_group_info(grown.founder.config.signer), group.tree.encode()
    forget()

    def run() -> OwnCommit:
        draft = external_draft(info, RatchetTree.decode(SUITE_1, tree), config=newcomer.config)
        return draft.finish(signer=newcomer.config.signer)

    def check(commit: OwnCommit) -> dict[str, int]:
        after = group.stage(commit.message).group
        assert after is not None
        assert after.epoch_authenticator == commit.group.epoch_authenticator
        return {"group_info": len(info), "tree": len(tree), "commit": len(commit.message)}

    return Chunk(run, check)


OPERATIONS: dict[str, Prepare] = {
    "protect": _protect,
    "unprotect": _unprotect,
    "add": _add,
    "join": _join,
    "path": _path,
    "process": _process,
    "external": _external,
    "hybrid": _hybrid,
}

if __name__ == "__main__":
    serve(OPERATIONS)
