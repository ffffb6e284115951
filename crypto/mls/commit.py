"""Commit and UpdatePath: the message that opens a new epoch. RFC 9420, sections 7.6 and 12.4.

Never checks or applies anything: staging.py does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all, items, optional, u8, vector
from crypto.mls.leaf_node import LeafNode, read_leaf_node
from crypto.mls.proposals import Proposal, encode_proposal, read_proposal

_BY_VALUE = 1
_BY_REFERENCE = 2


@dataclass(frozen=True, slots=True)
class ProposalRef:
    """A proposal received before, by the hash of the content it came in: KDF.Nh bytes. 5.2."""

    reference: bytes


ProposalOrRef = Proposal | ProposalRef


@dataclass(frozen=True, slots=True)
class HpkeCiphertext:
    """Something sealed to an HPKE public key."""

    kem_output: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """The `HPKECiphertext` struct."""
        return vector(self.kem_output) + vector(self.ciphertext)


def read_hpke_ciphertext(reader: Reader) -> HpkeCiphertext:
    """An `HPKECiphertext`."""
    return HpkeCiphertext(reader.vector(), reader.vector())


@dataclass(frozen=True, slots=True)
class UpdatePathNode:
    """A parent's new public key, and its path secret sealed to each node of a resolution."""

    encryption_key: bytes
    encrypted_path_secrets: Sequence[HpkeCiphertext]

    def encode(self) -> bytes:
        """The `UpdatePathNode` struct."""
        secrets = items(secret.encode() for secret in self.encrypted_path_secrets)
        return vector(self.encryption_key) + secrets


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """The committer's new leaf and the nodes of its filtered direct path, lowest first."""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    def encode(self) -> bytes:
        """The `UpdatePath` struct."""
        return self.leaf_node.encoded + items(node.encode() for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Commit:
    """Proposals by value or by reference, in order, and the path unless it is left out."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    def encode(self) -> bytes:
        """The `Commit` struct."""
        path = None if self.path is None else self.path.encode()
        return items(map(_encode_proposal_or_ref, self.proposals)) + optional(path)


def _encode_proposal_or_ref(proposal: ProposalOrRef) -> bytes:
    if isinstance(proposal, ProposalRef):
        return u8(_BY_REFERENCE) + vector(proposal.reference)
    return u8(_BY_VALUE) + encode_proposal(proposal)


def _read_proposal_or_ref(reader: Reader) -> ProposalOrRef:
    match reader.u8():
        case 1:
            return read_proposal(reader)
        case 2:
            return ProposalRef(reader.vector())
        case _:
            raise PeerError("malformed", "neither a proposal nor a reference")


def _read_path_node(reader: Reader) -> UpdatePathNode:
    return UpdatePathNode(reader.vector(), reader.late_items(read_hpke_ciphertext, vectors=2))


def read_update_path(reader: Reader) -> UpdatePath:
    """An `UpdatePath`."""
    return UpdatePath(read_leaf_node(reader), reader.items(_read_path_node))


def read_commit(reader: Reader) -> Commit:
    """A `Commit`."""
    proposals = reader.items(_read_proposal_or_ref)
    return Commit(proposals, read_update_path(reader) if reader.optional() else None)


def decode_commit(data: bytes) -> Commit:
    """The `Commit` that fills `data`."""
    return decode_all(data, read_commit)
