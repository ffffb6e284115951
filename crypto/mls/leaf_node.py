"""LeafNode: a member's place in the tree as it describes and signs it itself. RFC 9420, 7.2.

Never checks a signature while decoding, and never forgets the bytes that were signed.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from crypto.errors import PeerError
from crypto.mls.codec import Reader, items, u8, u16, u32, u64, vector
from crypto.mls.credential import Credential, CredentialType, read_credential
from crypto.mls.extensions import Extension, encode_extensions, read_extensions
from crypto.mls.suite import Signer, Suite

MLS10 = 1  # ProtocolVersion mls10, section 6
SIGN_LABEL = "LeafNodeTBS"


class LeafNodeSource(IntEnum):
    """How a LeafNode came into being; decides what stands in it and what its signature covers."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


_SOURCES = {int(source): source for source in LeafNodeSource}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Numbers of what a client supports; unknown ones are kept and ignored. Section 7.2."""

    versions: tuple[int, ...] = (MLS10,)
    cipher_suites: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = (CredentialType.BASIC, CredentialType.X509)

    def encode(self) -> bytes:
        """The `Capabilities` struct."""
        lists = (
            self.versions,
            self.cipher_suites,
            self.extensions,
            self.proposals,
            self.credentials,
        )
        return b"".join(items(map(u16, numbers)) for numbers in lists)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds since 1970 between which a KeyPackage counts. Section 7.2."""

    not_before_s: int
    not_after_s: int


@dataclass(frozen=True, slots=True)
class LeafContent:
    """The fields of a LeafNode that its signature covers; the caller signs them with `sign_leaf`.

    `lifetime` stands only with source KEY_PACKAGE, `parent_hash` only with COMMIT.
    """

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafNodeSource
    lifetime: Lifetime | None = None
    parent_hash: bytes = b""
    extensions: tuple[Extension, ...] = ()

    def encode(self) -> bytes:
        """Everything of the LeafNode above its signature."""
        parts = [vector(self.encryption_key), vector(self.signature_key), self.credential.encode()]
        parts += [self.capabilities.encode(), u8(self.source)]
        if self.lifetime is not None:
            parts += [u64(self.lifetime.not_before_s), u64(self.lifetime.not_after_s)]
        elif self.source == LeafNodeSource.COMMIT:
            parts.append(vector(self.parent_hash))
        parts.append(encode_extensions(self.extensions))
        return b"".join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class LeafNode:
    """A decoded LeafNode beside its exact bytes; equal when the bytes are."""

    content: LeafContent
    signature: bytes
    encoded: bytes

    @property
    def encryption_key(self) -> bytes:
        """HPKE public key."""
        return self.content.encryption_key

    @property
    def signature_key(self) -> bytes:
        """Signature public key."""
        return self.content.signature_key

    @property
    def credential(self) -> Credential:
        """Whose leaf it is, as it claims."""
        return self.content.credential

    @property
    def capabilities(self) -> Capabilities:
        """What the client supports, as it claims."""
        return self.content.capabilities

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LeafNode) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    def verify(self, suite: Suite, *, group_id: bytes = b"", leaf_index: int = 0) -> None:
        """Check the signature; group and place matter except in a KeyPackage.

        Raises PeerError("bad_signature") or PeerError("bad_public_key").
        """
        signed = self.encoded[: len(self.encoded) - len(vector(self.signature))]
        signed += _place(self.content.source, group_id, leaf_index)
        suite.verify_with_label(self.signature_key, SIGN_LABEL, signed, self.signature)


def _place(source: LeafNodeSource, group_id: bytes, leaf_index: int) -> bytes:
    if source == LeafNodeSource.KEY_PACKAGE:
        return b""
    return vector(group_id) + u32(leaf_index)


def sign_leaf(
    suite: Suite,
    content: LeafContent,
    *,
    signer: Signer,
    group_id: bytes = b"",
    leaf_index: int = 0,
) -> LeafNode:
    """The LeafNode with these fields, signed for its place (a KeyPackage's has none)."""
    encoded = content.encode()
    signed = encoded + _place(content.source, group_id, leaf_index)
    signature = suite.sign_with_label(signer, SIGN_LABEL, signed)
    return LeafNode(content, signature, encoded + vector(signature))


def read_leaf_node(reader: Reader) -> LeafNode:
    """A `LeafNode`; PeerError("malformed") for a source that does not exist."""
    start = reader.position
    content = _read_content(reader)
    signature = reader.vector()
    return LeafNode(content, signature, reader.since(start))


def _read_content(reader: Reader) -> LeafContent:
    encryption_key, signature_key = reader.vector(), reader.vector()
    credential, capabilities = read_credential(reader), _read_capabilities(reader)
    source = _SOURCES.get(reader.u8())
    if source is None:
        raise PeerError("malformed", "a leaf node has an unknown source")
    lifetime, parent_hash = None, b""
    if source == LeafNodeSource.KEY_PACKAGE:
        lifetime = Lifetime(reader.u64(), reader.u64())
    elif source == LeafNodeSource.COMMIT:
        parent_hash = reader.vector()
    return LeafContent(
        encryption_key,
        signature_key,
        credential,
        capabilities,
        source=source,
        lifetime=lifetime,
        parent_hash=parent_hash,
        extensions=read_extensions(reader),
    )


def _read_capabilities(reader: Reader) -> Capabilities:
    start = reader.position
    reader.skip_vectors(5)
    encoded = reader.since(start)
    return (_shared_capabilities if len(encoded) <= _SHARED_BYTES else _capabilities)(encoded)


def _capabilities(encoded: bytes) -> Capabilities:
    reader = Reader(encoded)
    return Capabilities(*(reader.u16s() for _ in range(5)))


# All members of a group say the same, as a rule: one value for a thousand leaves. What is longer
# than any client's list is not kept: it came from outside.
_SHARED_BYTES = 256
_shared_capabilities = lru_cache(maxsize=256)(_capabilities)
