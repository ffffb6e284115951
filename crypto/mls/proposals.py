"""Proposals: the changes that a member or an external sender may ask for. RFC 9420, section 12.1.

Never judges a proposal: validation.py and proposal_rules.py do.
"""

import os
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from crypto.mls.codec import Reader, decode_all, u16, u32, vector
from crypto.mls.extensions import Extension, encode_extensions, read_extensions
from crypto.mls.hpke import Random
from crypto.mls.key_package import KeyPackage, read_key_package
from crypto.mls.leaf_node import LeafNode, read_leaf_node
from crypto.mls.psk import (
    ExternalPskId,
    PskId,
    ResumptionPskId,
    ResumptionUsage,
    fresh_nonce,
    read_psk_id,
)
from crypto.mls.suite import Suite


class ProposalType(IntEnum):
    """The registry of section 17.4: the default types, which every client knows."""

    ADD = 1
    UPDATE = 2
    REMOVE = 3
    PSK = 4
    REINIT = 5
    EXTERNAL_INIT = 6
    GROUP_CONTEXT_EXTENSIONS = 7


@dataclass(frozen=True, slots=True)
class Add:
    """Asks to add the owner of a KeyPackage. 12.1.1."""

    type: ClassVar[ProposalType] = ProposalType.ADD
    key_package: KeyPackage

    def body(self) -> bytes:
        """The `Add` struct."""
        return self.key_package.encoded


@dataclass(frozen=True, slots=True)
class Update:
    """Asks to replace the sender's own leaf. 12.1.2."""

    type: ClassVar[ProposalType] = ProposalType.UPDATE
    leaf_node: LeafNode

    def body(self) -> bytes:
        """The `Update` struct."""
        return self.leaf_node.encoded


@dataclass(frozen=True, slots=True)
class Remove:
    """Asks to remove the member at a leaf index. 12.1.3."""

    type: ClassVar[ProposalType] = ProposalType.REMOVE
    removed: int

    def body(self) -> bytes:
        """The `Remove` struct."""
        return u32(self.removed)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Asks to mix a pre-shared key into the next epoch. 12.1.4."""

    type: ClassVar[ProposalType] = ProposalType.PSK
    psk: PskId

    def body(self) -> bytes:
        """The `PreSharedKey` struct."""
        return self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """Asks to found the group anew with other parameters. 12.1.5."""

    type: ClassVar[ProposalType] = ProposalType.REINIT
    group_id: bytes
    version: int
    suite_number: int
    extensions: tuple[Extension, ...]

    def body(self) -> bytes:
        """The `ReInit` struct."""
        head = vector(self.group_id) + u16(self.version) + u16(self.suite_number)
        return head + encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """Carries the init secret of somebody who joins from outside. 12.1.6."""

    type: ClassVar[ProposalType] = ProposalType.EXTERNAL_INIT
    kem_output: bytes

    def body(self) -> bytes:
        """The `ExternalInit` struct."""
        return vector(self.kem_output)


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Asks to replace all extensions of the GroupContext. 12.1.7."""

    type: ClassVar[ProposalType] = ProposalType.GROUP_CONTEXT_EXTENSIONS
    extensions: tuple[Extension, ...]

    def body(self) -> bytes:
        """The `GroupContextExtensions` struct."""
        return encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class UnknownProposal:
    """A proposal of a type that is not default: what it does is the application's matter. 13.2.

    Its body is taken to be one vector, `content` what stands inside. It needs a path (12.4).
    """

    type: int
    content: bytes

    def body(self) -> bytes:
        """What follows the type."""
        return vector(self.content)


DefaultProposal = (
    Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions
)
Proposal = DefaultProposal | UnknownProposal

# "By default, the path field of a Commit MUST be populated" unless only these are covered (12.4).
NO_PATH_NEEDED = (Add, PreSharedKey, ReInit)
# The types that section 12.1.8 lets an external sender propose.
FROM_OUTSIDE = (Add, Remove, PreSharedKey, ReInit, GroupContextExtensions)


def external_psk(suite: Suite, psk_id: bytes, *, random: Random = os.urandom) -> PreSharedKey:
    """A proposal that mixes in the external key of that id, with a fresh nonce."""
    return PreSharedKey(ExternalPskId(psk_id, fresh_nonce(suite, random=random)))


def resumption_psk(
    suite: Suite,
    group_id: bytes,
    epoch: int,
    *,
    usage: ResumptionUsage = ResumptionUsage.APPLICATION,
    random: Random = os.urandom,
) -> PreSharedKey:
    """A proposal that mixes in the resumption secret of a group's epoch, with a fresh nonce."""
    nonce = fresh_nonce(suite, random=random)
    return PreSharedKey(ResumptionPskId(usage, group_id, epoch, nonce=nonce))


def encode_proposal(proposal: Proposal) -> bytes:
    """The `Proposal` struct."""
    return u16(proposal.type) + proposal.body()


def read_proposal(reader: Reader) -> Proposal:
    """A `Proposal`; one of an unknown type is read as a vector."""
    match reader.u16():
        case ProposalType.ADD:
            return Add(read_key_package(reader))
        case ProposalType.UPDATE:
            return Update(read_leaf_node(reader))
        case ProposalType.REMOVE:
            return Remove(reader.u32())
        case ProposalType.PSK:
            return PreSharedKey(read_psk_id(reader))
        case ProposalType.REINIT:
            return read_reinit(reader)
        case ProposalType.EXTERNAL_INIT:
            return ExternalInit(reader.vector())
        case ProposalType.GROUP_CONTEXT_EXTENSIONS:
            return GroupContextExtensions(read_extensions(reader))
        case unknown:
            return UnknownProposal(unknown, reader.vector())


def read_reinit(reader: Reader) -> ReInit:
    """A `ReInit`."""
    return ReInit(reader.vector(), reader.u16(), reader.u16(), read_extensions(reader))


def decode_proposal(data: bytes) -> Proposal:
    """The `Proposal` that fills `data`."""
    return decode_all(data, read_proposal)
