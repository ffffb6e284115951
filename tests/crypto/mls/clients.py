"""Clients and groups for tests: who they are, how they come together, and how they lie.

`forged` makes Commits that break rules, with the real signing and encryption of drafting.py.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from crypto.ed25519 import SigningKey
from crypto.mls.applying import apply_proposals
from crypto.mls.census import Census
from crypto.mls.commit import UpdatePath
from crypto.mls.credential import Credential
from crypto.mls.drafting import Base, Draft, Finishing, NewLeaf, OwnCommit
from crypto.mls.extensions import Extension, ExternalSender, external_senders_extension
from crypto.mls.framing import Sender, SenderType, WireFormat, member
from crypto.mls.group import (
    Group,
    LeafConfig,
    OwnKeyPackage,
    create,
    make_key_package,
    open_welcome,
)
from crypto.mls.hpke import Random
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import Capabilities, LeafContent, LeafNodeSource
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import Add, Proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, Signer
from crypto.mls.treekem import NewPath

EXTENSION = 0xF100
REQUIRED = 0xF200
RELAY = SigningKey.from_seed(b"relay".ljust(32))


def signing_key(name: str) -> SigningKey:
    return SigningKey.from_seed(name.encode().ljust(32))


def config(name: str) -> LeafConfig:
    return LeafConfig(signing_key(name), Credential.basic(name.encode()), (EXTENSION, REQUIRED))


def key_package(name: str) -> OwnKeyPackage:
    return make_key_package(SUITE_1, config(name))


def add(own: OwnKeyPackage) -> Add:
    return Add(KeyPackage.decode(own.encoded))


def relay_extension() -> Extension:
    return external_senders_extension([ExternalSender(RELAY.public, Credential.basic(b"relay"))])


def founded(
    name: str = "alice", extensions: Sequence[Extension] = (), *, random: Random = os.urandom
) -> Group:
    return create(
        suite=SUITE_1,
        group_id=b"g" * 32,
        config=config(name),
        extensions=(relay_extension(), *extensions),
        random=random,
    )[0]


def objects(group: Group) -> Mapping[bytes, bytes]:
    return {SUITE_1.hash(data): data for data in group.tree.objects()}


def tree_of(group: Group) -> RatchetTree:
    """The group's tree as somebody gets it who walks from its hash."""
    return RatchetTree.from_objects(SUITE_1, group.tree_hash, objects(group))


def group_of(*names: str, extensions: Sequence[Extension] = ()) -> dict[str, Group]:
    """A group whose members, in the order of their leaves, are in the same epoch."""
    first, *others = names
    founder = founded(first, extensions)
    if not others:
        return {first: founder}
    packages = {name: key_package(name) for name in others}
    commit = founder.draft([add(own) for own in packages.values()]).finish(
        signer=signing_key(first)
    )
    return {first: commit.group} | {name: welcomed(commit, own) for name, own in packages.items()}


def welcomed(commit: OwnCommit[Group], own: OwnKeyPackage) -> Group:
    assert commit.welcome is not None
    return open_welcome(commit.welcome, {own.reference: own}).join(tree_of(commit.group))


class Blind(Census):
    """A census that finds nothing wrong, so that a wrong Commit can be made."""

    def moved(self, old: RatchetTree | None, new: RatchetTree) -> "Census":
        return self


class LyingSigner:
    """Claims one key and signs with another."""

    def __init__(self, public: bytes, key: SigningKey) -> None:
        self.public = public
        self._key = key

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def real_signer(name: str, content: LeafContent, claimed: Signer | None) -> Signer:
    """Who signs messages for that leaf: the client itself while the leaf has its key."""
    own = signing_key(name)
    return own if claimed is None or content.signature_key == own.public else claimed


@dataclass(frozen=True)
class Forger(Finishing[Group]):
    """Spoils the path just before it goes out; the tree keeps the right one."""

    spoil: Callable[[UpdatePath], UpdatePath] | None = None
    seals_other_secrets: bool = False

    def _sealed(self, path: NewPath, context: bytes) -> UpdatePath:
        if self.seals_other_secrets:
            others = {level: bytes(32) for level in path.path.secrets}
            path = replace(path, path=replace(path.path, secrets=others))
        sealed = super()._sealed(path, context)
        return sealed if self.spoil is None else self.spoil(sealed)


def by_value(group: Group, *proposals: Proposal) -> tuple[ResolvedProposal, ...]:
    return tuple(ResolvedProposal(proposal, member(group.own_leaf)) for proposal in proposals)


def leaf_content(name: str, source: LeafNodeSource = LeafNodeSource.COMMIT) -> LeafContent:
    return LeafContent(
        SUITE_1.generate_key_pair()[1],
        signing_key(name).public,
        Credential.basic(name.encode()),
        Capabilities(extensions=(EXTENSION, REQUIRED)),
        source=source,
    )


def forged(
    group: Group,
    name: str,
    resolved: Sequence[ResolvedProposal] = (),
    *,
    with_path: bool = True,
    content: LeafContent | None = None,
    leaf_signer: Signer | None = None,
    spoil: Callable[[UpdatePath], UpdatePath] | None = None,
    psk_secret: bytes = bytes(32),
    seals_other_secrets: bool = False,
    wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    random: Random = os.urandom,
) -> OwnCommit[Group]:
    """A Commit of a member that checks nothing."""
    base = replace(Base.of(group), census=Blind())
    signer = signing_key(name)
    leaf = None
    if with_path:
        private, public = SUITE_1.generate_key_pair(random=random)
        content = content or replace(leaf_content(name), encryption_key=public)
        leaf = NewLeaf(group.own_leaf, private, content, leaf_signer or signer)
    draft = _unchecked(base, resolved, leaf, group.own_leaf, psk_secret)
    forger = Forger(draft, signer, random, spoil, seals_other_secrets)
    return forger.own_commit(b"", (), (), wire_format=wire_format)


def forged_from_outside(
    base: Base[Group],
    name: str,
    proposals: Sequence[Proposal],
    *,
    content: LeafContent | None = None,
    leaf_signer: Signer | None = None,
    references: Sequence[ResolvedProposal] = (),
    spoil: Callable[[UpdatePath], UpdatePath] | None = None,
    psk_secret: bytes = bytes(32),
    random: Random = os.urandom,
) -> OwnCommit[Group]:
    """A Commit of a joiner that checks nothing."""
    base = replace(base, census=Blind())
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    resolved = [*references, *(ResolvedProposal(proposal, sender) for proposal in proposals)]
    index = apply_proposals(base.tree, base.context.extensions, resolved).tree.next_free()
    private, public = SUITE_1.generate_key_pair(random=random)
    content = content or replace(leaf_content(name), encryption_key=public)
    leaf = NewLeaf(index, private, content, leaf_signer or signing_key(name))
    signer = real_signer(name, content, leaf_signer)
    draft = _unchecked(base, resolved, leaf, index, psk_secret)
    return Forger(draft, signer, random, spoil).own_commit(b"", (), ())


def _unchecked(
    base: Base[Group],
    resolved: Sequence[ResolvedProposal],
    leaf: NewLeaf | None,
    own_leaf: int,
    psk_secret: bytes,
) -> Draft[Group]:
    applied = apply_proposals(base.tree, base.context.extensions, resolved)
    return Draft(base, tuple(resolved), applied, leaf, own_leaf, psk_secret, applied.changes)
