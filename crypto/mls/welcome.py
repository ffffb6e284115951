"""Welcome, GroupSecrets and GroupInfo: what brings a newcomer in. RFC 9420, section 12.4.3.

Never opens or checks a Welcome: joining.py does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all, items, optional, u16, u32, vector
from crypto.mls.commit import HpkeCiphertext, read_hpke_ciphertext
from crypto.mls.extensions import Extension, encode_extensions, read_extensions
from crypto.mls.group_context import GroupContext, read_group_context
from crypto.mls.leaf_node import MLS10
from crypto.mls.psk import PskId, read_psk_id
from crypto.mls.suite import Signer, Suite

SIGN_LABEL = "GroupInfoTBS"
WIRE_WELCOME = 3
WIRE_GROUP_INFO = 4


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """The state of an epoch as one member signs it for newcomers; `signer` is its leaf index."""

    group_context: GroupContext
    extensions: tuple[Extension, ...]
    confirmation_tag: bytes
    signer: int
    signature: bytes

    def signed_content(self) -> bytes:
        """The `GroupInfoTBS` struct."""
        head = self.group_context.encode() + encode_extensions(self.extensions)
        return head + vector(self.confirmation_tag) + u32(self.signer)

    def encode(self) -> bytes:
        """The `GroupInfo` struct."""
        return self.signed_content() + vector(self.signature)

    def verify(self, suite: Suite, signature_key: bytes) -> None:
        """Check the signature; PeerError("bad_signature")."""
        # VAL-12.4.3-2: "New members also MUST verify the signature" (12.4.3)
        suite.verify_with_label(signature_key, SIGN_LABEL, self.signed_content(), self.signature)


def sign_group_info(
    suite: Suite,
    context: GroupContext,
    extensions: tuple[Extension, ...],
    *,
    confirmation_tag: bytes,
    leaf_index: int,
    signer: Signer,
) -> GroupInfo:
    """A GroupInfo signed by the member at `leaf_index`."""
    unsigned = GroupInfo(context, extensions, confirmation_tag, leaf_index, signature=b"")
    signature = suite.sign_with_label(signer, SIGN_LABEL, unsigned.signed_content())
    return GroupInfo(context, extensions, confirmation_tag, leaf_index, signature=signature)


def read_group_info(reader: Reader) -> GroupInfo:
    """A `GroupInfo`."""
    return GroupInfo(
        read_group_context(reader),
        read_extensions(reader),
        reader.vector(),
        signer=reader.u32(),
        signature=reader.vector(),
    )


@dataclass(frozen=True, slots=True)
class GroupSecrets:
    """What a Welcome seals to one newcomer; both secrets have KDF.Nh bytes."""

    joiner_secret: bytes = field(repr=False)
    path_secret: bytes | None = field(repr=False)
    psks: tuple[PskId, ...]

    def encode(self) -> bytes:
        """The `GroupSecrets` struct."""
        path = None if self.path_secret is None else vector(self.path_secret)
        return vector(self.joiner_secret) + optional(path) + items(p.encode() for p in self.psks)


def read_group_secrets(reader: Reader) -> GroupSecrets:
    """A `GroupSecrets`."""
    joiner_secret = reader.vector()
    path_secret = reader.vector() if reader.optional() else None
    return GroupSecrets(joiner_secret, path_secret, reader.items(read_psk_id))


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    """A newcomer's KeyPackageRef and the GroupSecrets sealed to its init key."""

    new_member: bytes
    encrypted_group_secrets: HpkeCiphertext

    def encode(self) -> bytes:
        """The `EncryptedGroupSecrets` struct."""
        return vector(self.new_member) + self.encrypted_group_secrets.encode()


@dataclass(frozen=True, slots=True)
class Welcome:
    """Sealed secrets for newcomers, and the GroupInfo sealed under them; `suite` is its number."""

    suite: int
    secrets: Sequence[EncryptedGroupSecrets]
    encrypted_group_info: bytes

    def encode(self) -> bytes:
        """The `Welcome` struct."""
        secrets = items(secret.encode() for secret in self.secrets)
        return u16(self.suite) + secrets + vector(self.encrypted_group_info)


def _read_encrypted_secrets(reader: Reader) -> EncryptedGroupSecrets:
    return EncryptedGroupSecrets(reader.vector(), read_hpke_ciphertext(reader))


def read_welcome(reader: Reader) -> Welcome:
    """A `Welcome`."""
    return Welcome(
        reader.u16(), reader.late_items(_read_encrypted_secrets, vectors=3), reader.vector()
    )


def _check_header(reader: Reader, wire_format: int) -> None:
    if reader.u16() != MLS10 or reader.u16() != wire_format:
        raise PeerError("malformed", "an MLS message of another kind or version")


def decode_group_info(message: bytes) -> GroupInfo:
    """The GroupInfo in an MLSMessage; nothing is verified yet."""
    return decode_all(message, _read_group_info_message)


def _read_group_info_message(reader: Reader) -> GroupInfo:
    _check_header(reader, WIRE_GROUP_INFO)
    return read_group_info(reader)


def decode_welcome(message: bytes) -> Welcome:
    """The Welcome in an MLSMessage."""
    return decode_all(message, _read_welcome_message)


def _read_welcome_message(reader: Reader) -> Welcome:
    _check_header(reader, WIRE_WELCOME)
    return read_welcome(reader)


def encode_group_info(group_info: GroupInfo) -> bytes:
    """MLSMessage(GroupInfo)."""
    return u16(MLS10) + u16(WIRE_GROUP_INFO) + group_info.encode()


def encode_welcome(welcome: Welcome) -> bytes:
    """MLSMessage(Welcome)."""
    return u16(MLS10) + u16(WIRE_WELCOME) + welcome.encode()
