"""KeyPackage: what a client publishes so that others can add it. RFC 9420, section 10.

Never decides whether whoever the credential names may be added: that is the caller's.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from crypto.errors import PeerError, UsageError
from crypto.mls.codec import Reader, decode_all, u16, vector
from crypto.mls.credential import Credential, CredentialType
from crypto.mls.extensions import (
    DEFAULT_EXTENSION_TYPES,
    Extension,
    ExtensionType,
    encode_extensions,
    find_extension,
    read_extensions,
)
from crypto.mls.grease import pick, refuse_to_send
from crypto.mls.hpke import Random
from crypto.mls.leaf_node import (
    MLS10,
    Capabilities,
    LeafContent,
    LeafNode,
    LeafNodeSource,
    Lifetime,
    read_leaf_node,
    sign_leaf,
)
from crypto.mls.leaf_rules import check_leaf_alone
from crypto.mls.suite import Signer, Suite, suite_by_number

SIGN_LABEL = "KeyPackageTBS"
REFERENCE_LABEL = "MLS 1.0 KeyPackage Reference"
_LAST_DEFAULT_PROPOSAL = 7  # ProposalType of section 17.4, which proposals.py names


@dataclass(frozen=True, slots=True, eq=False)
class KeyPackage:
    """A decoded KeyPackage beside its exact bytes; equal when the bytes are."""

    version: int
    suite_number: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: tuple[Extension, ...]
    signature: bytes
    encoded: bytes

    @classmethod
    def decode(cls, data: bytes) -> "KeyPackage":
        """The KeyPackage that fills `data`; nothing is verified yet."""
        return decode_all(data, read_key_package)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyPackage) and self.encoded == other.encoded

    def __hash__(self) -> int:
        return hash(self.encoded)

    @property
    def is_last_resort(self) -> bool:
        """Whether its owner allows it to be used more than once (section 16.8)."""
        return find_extension(self.extensions, ExtensionType.LAST_RESORT_KEY_PACKAGE) is not None

    def reference(self, suite: Suite) -> bytes:
        """The KeyPackageRef: KDF.Nh bytes. Section 5.2."""
        return suite.ref_hash(REFERENCE_LABEL, self.encoded)

    def verify(self, suite: Suite) -> None:
        """Check both signatures and every rule of 10.1 that needs no clock and no group."""
        if self.version != MLS10 or self.suite_number != suite.number:
            raise PeerError("VAL-10.1-1", "the key package is of another version or suite")
        if self.leaf_node.content.source != LeafNodeSource.KEY_PACKAGE:
            raise PeerError("VAL-7.3-7", "the leaf was not made for a key package")
        check_leaf_alone(suite, self.leaf_node)
        # "unknown extensions in KeyPackage.extensions MUST be ignored" (10): that the leaf claims
        # them is asked of who makes the package, as 13.5 shows for GREASE values.
        #
        # "The value for init_key MUST be a public key for the asymmetric encryption scheme" (10)
        try:
            suite.check_encryption_key(self.init_key)
        except PeerError:
            raise PeerError("VAL-10-4", "the init key is unusable") from None
        # "Verify that the value of leaf_node.encryption_key is different from the value of the
        # init_key field" (10.1)
        if self.leaf_node.encryption_key == self.init_key:
            raise PeerError("VAL-10.1-3", "init key and encryption key are the same")
        self._verify_signature(suite)

    def _verify_signature(self, suite: Suite) -> None:
        signed = self.encoded[: len(self.encoded) - len(vector(self.signature))]
        key = self.leaf_node.signature_key
        try:
            suite.verify_with_label(key, SIGN_LABEL, signed, self.signature)
        except PeerError:
            raise PeerError("VAL-10.1-2", "the signature of the key package is wrong") from None


def validate(key_package: KeyPackage, *, now_s: int, max_lifetime_s: int) -> None:
    """Check a KeyPackage before it is used: all of 10.1, dates included.

    `now_s` is in seconds since 1970, `max_lifetime_s` the longest lifetime that is accepted.
    Raises PeerError with the rule's id.
    """
    key_package.verify(suite_by_number(key_package.suite_number))
    lifetime = key_package.leaf_node.content.lifetime
    assert lifetime is not None  # verify() demands the source that has one
    # "reject any LeafNode where the total lifetime is longer than this duration" (7.2)
    if lifetime.not_after_s - lifetime.not_before_s > max_lifetime_s:
        raise PeerError("VAL-7.2-1", "the lifetime is too long")
    if not lifetime.not_before_s <= now_s <= lifetime.not_after_s:
        raise PeerError("VAL-7.3-5", "the lifetime does not include the present")


def read_key_package(reader: Reader) -> KeyPackage:
    """A `KeyPackage`."""
    start = reader.position
    version, suite_number = reader.u16(), reader.u16()
    init_key, leaf_node = reader.vector(), read_leaf_node(reader)
    extensions, signature = read_extensions(reader), reader.vector()
    return KeyPackage(
        version,
        suite_number,
        init_key,
        leaf_node=leaf_node,
        extensions=extensions,
        signature=signature,
        encoded=reader.since(start),
    )


@dataclass(frozen=True, slots=True)
class LeafConfig:
    """What a client puts into its own leaves.

    `extension_types` and `proposal_types` are the non-default types that it supports; `lifetime`
    (not before and not after, in seconds since 1970) counts only for KeyPackages and a group's
    first leaf; `cipher_suites` are those it supports beside the group's own, which comes first;
    `extensions` stand in the leaf itself, and their types are claimed as supported.
    """

    signer: Signer = field(repr=False)
    credential: Credential
    extension_types: tuple[int, ...] = ()
    lifetime: tuple[int, int] = (0, 2**64 - 1)
    proposal_types: tuple[int, ...] = ()
    credential_types: tuple[int, ...] = (CredentialType.BASIC, CredentialType.X509)
    cipher_suites: tuple[int, ...] = ()
    versions: tuple[int, ...] = (MLS10,)
    extensions: tuple[Extension, ...] = ()

    def capabilities(self, suite: Suite) -> Capabilities:
        """What the client's leaves claim to support.

        Raises UsageError for a default extension or proposal type: it "MUST NOT be listed" (7.2).
        """
        if not DEFAULT_EXTENSION_TYPES.isdisjoint(self.extension_types):
            raise UsageError("default extension types are not listed")
        if any(type <= _LAST_DEFAULT_PROPOSAL for type in self.proposal_types):
            raise UsageError("default proposal types are not listed")
        refuse_to_send((self.credential.type,))
        in_leaf = {one.type for one in self.extensions} - DEFAULT_EXTENSION_TYPES
        last_resort = ExtensionType.LAST_RESORT_KEY_PACKAGE
        return Capabilities(
            tuple(dict.fromkeys((MLS10, *self.versions))),
            tuple(dict.fromkeys((suite.number, *self.cipher_suites))),
            extensions=tuple(sorted({*self.extension_types, *in_leaf, last_resort})),
            proposals=tuple(sorted(set(self.proposal_types))),
            credentials=tuple(sorted({*self.credential_types, self.credential.type})),
        )

    def greased(self, *, random: Random = os.urandom) -> "LeafConfig":
        """The same with a GREASE value in each list of capabilities and among the extensions.

        "an MLS client SHOULD include a random selection of values chosen from these" (13.5)
        """
        return replace(
            self,
            extension_types=(*self.extension_types, pick(random)),
            proposal_types=(*self.proposal_types, pick(random)),
            credential_types=(*self.credential_types, pick(random)),
            cipher_suites=(*self.cipher_suites, pick(random)),
            extensions=(*self.extensions, Extension(pick(random), random(random(1)[0] % 16))),
        )


@dataclass(frozen=True, slots=True)
class OwnKeyPackage:
    """A KeyPackage with its two private keys; `reference` names it in a Welcome."""

    encoded: bytes
    init_private: bytes = field(repr=False)
    encryption_private: bytes = field(repr=False)
    reference: bytes

    def to_bytes(self) -> bytes:
        """For storage: secret."""
        parts = (self.encoded, self.init_private, self.encryption_private, self.reference)
        return b"".join(map(vector, parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> "OwnKeyPackage":
        """What `to_bytes` gave; PeerError("malformed") otherwise."""
        return decode_all(data, lambda reader: cls(*(reader.vector() for _ in range(4))))


def make_key_package(
    suite: Suite,
    config: LeafConfig,
    *,
    last_resort: bool = False,
    extensions: Sequence[Extension] = (),
    random: Random = os.urandom,
) -> OwnKeyPackage:
    """A fresh KeyPackage of this client, single-use unless `last_resort`.

    Raises UsageError when `config` does not support one of `extensions`.
    """
    if config.lifetime[1] < config.lifetime[0]:
        raise UsageError("a lifetime ends before it starts")
    init_private, init_public = suite.generate_key_pair(random=random)
    encryption_private, encryption_public = suite.generate_key_pair(random=random)
    leaf = sign_leaf(
        suite, key_package_content(suite, config, encryption_public), signer=config.signer
    )
    if last_resort:
        extensions = (*extensions, Extension(ExtensionType.LAST_RESORT_KEY_PACKAGE, b""))
    # "Extensions included in the extensions or leaf_node.extensions fields MUST be included in the
    # leaf_node.capabilities field" (10)
    claimed = DEFAULT_EXTENSION_TYPES.union(leaf.capabilities.extensions)
    if any(extension.type not in claimed for extension in extensions):
        raise UsageError("the client does not support an extension of its key package")
    signed = u16(MLS10) + u16(suite.number) + vector(init_public) + leaf.encoded
    signed += encode_extensions(extensions)
    encoded = signed + vector(suite.sign_with_label(config.signer, SIGN_LABEL, signed))
    reference = suite.ref_hash(REFERENCE_LABEL, encoded)
    return OwnKeyPackage(encoded, init_private, encryption_private, reference=reference)


def key_package_content(suite: Suite, config: LeafConfig, encryption_key: bytes) -> LeafContent:
    """The leaf of a KeyPackage, and of the founder of a group, before it is signed."""
    content = leaf_content(suite, config, encryption_key, source=LeafNodeSource.KEY_PACKAGE)
    return replace(content, lifetime=Lifetime(*config.lifetime))


def leaf_content(
    suite: Suite, config: LeafConfig, encryption_key: bytes, *, source: LeafNodeSource
) -> LeafContent:
    """What a client's leaf says, but for what its source asks for besides."""
    return LeafContent(
        encryption_key,
        config.signer.public,
        config.credential,
        config.capabilities(suite),
        source=source,
        extensions=config.extensions,
    )
