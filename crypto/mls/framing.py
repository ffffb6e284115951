"""What every MLS message has in common: who says what in which epoch, and the signature over it.

Never encrypts, never holds a secret, and never judges a Proposal or Commit. RFC 9420, section 6.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from crypto.errors import PeerError, UsageError
from crypto.mls.codec import Reader, u8, u16, u32, u64, vector
from crypto.mls.commit import Commit, decode_commit, read_commit
from crypto.mls.proposals import Proposal, decode_proposal, read_proposal
from crypto.mls.suite import Signer, Suite

MLS10 = 1  # ProtocolVersion mls10
_TBS_LABEL = "FramedContentTBS"


class WireFormat(IntEnum):
    """The registry of section 17.2."""

    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


class ContentType(IntEnum):
    """What a message carries."""

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """Where a sender's signature key is to be found. Section 6.1."""

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


_CONTENT_TYPES = {int(kind): kind for kind in ContentType}
_INDEXED = frozenset({SenderType.MEMBER, SenderType.EXTERNAL})
_WITH_CONTEXT = frozenset({SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT})
# What section 6.1 lets a sender say; a member may say anything.
_ONLY_CONTENT = {
    SenderType.EXTERNAL: ContentType.PROPOSAL,
    SenderType.NEW_MEMBER_PROPOSAL: ContentType.PROPOSAL,
    SenderType.NEW_MEMBER_COMMIT: ContentType.COMMIT,
}


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message; `index` is a leaf index (member) or a place in external_senders."""

    type: SenderType
    index: int = 0

    def encode(self) -> bytes:
        """The `Sender` struct."""
        return u8(self.type) + u32(self.index) if self.type in _INDEXED else u8(self.type)


def read_sender(reader: Reader) -> Sender:
    """A `Sender`; PeerError("malformed") for a type that does not exist."""
    number = reader.u8()
    try:
        kind = SenderType(number)
    except ValueError:
        raise PeerError("malformed", "unknown sender type") from None
    return Sender(kind, reader.u32() if kind in _INDEXED else 0)


def member(leaf_index: int) -> Sender:
    """The sender that is a member of the group, at its leaf."""
    return Sender(SenderType.MEMBER, leaf_index)


def read_content_type(reader: Reader) -> ContentType:
    """A `ContentType`; PeerError("malformed") for one that does not exist."""
    content_type = _CONTENT_TYPES.get(reader.u8())
    if content_type is None:
        raise PeerError("malformed", "unknown content type")
    return content_type


def read_body(reader: Reader, content_type: ContentType) -> tuple[bytes, Proposal | Commit | None]:
    """What a message carries, and what it says: application data without its length says nothing.

    A whole Proposal or Commit is read here, to find its end, and kept: it may be large.
    """
    if content_type is ContentType.APPLICATION:
        return reader.vector(), None
    start = reader.position
    is_proposal = content_type is ContentType.PROPOSAL
    said = read_proposal(reader) if is_proposal else read_commit(reader)
    return reader.since(start), said


# What only carries a message from bytes to a state or back is assigned once, like a node of a tree,
# and not frozen: that costs five times as much, nine times a message.
@dataclass(slots=True)
class FramedContent:
    """A message before any protection.

    `content` is the application data itself, or the encoded Proposal or Commit; `said` is that one
    decoded, when the message came from outside.
    """

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content_type: ContentType
    content: bytes = field(repr=False)
    said: Proposal | Commit | None = field(default=None, repr=False, compare=False)

    @property
    def proposal(self) -> Proposal:
        """The Proposal that this is; the caller has looked at the content type."""
        if self.said is None or isinstance(self.said, Commit):
            return decode_proposal(self.content)
        return self.said

    @property
    def commit(self) -> Commit:
        """The Commit that this is; the caller has looked at the content type."""
        return self.said if isinstance(self.said, Commit) else decode_commit(self.content)

    def body(self) -> bytes:
        """`content` as it stands inside a struct: application data behind its length."""
        is_application = self.content_type is ContentType.APPLICATION
        return vector(self.content) if is_application else self.content

    def encode(self) -> bytes:
        """The `FramedContent` struct."""
        return b"".join(
            (
                vector(self.group_id),
                u64(self.epoch),
                self.sender.encode(),
                vector(self.authenticated_data),
                u8(self.content_type),
                self.body(),
            )
        )


def read_framed_content(reader: Reader) -> FramedContent:
    """A `FramedContent`."""
    group_id, epoch = reader.vector(), reader.u64()
    sender, authenticated_data = read_sender(reader), reader.vector()
    content_type = read_content_type(reader)
    content, said = read_body(reader, content_type)
    return FramedContent(
        group_id=group_id,
        epoch=epoch,
        sender=sender,
        authenticated_data=authenticated_data,
        content_type=content_type,
        content=content,
        said=said,
    )


@dataclass(slots=True)
class FramedContentAuthData:
    """The signature, and for a Commit its confirmation tag."""

    signature: bytes
    confirmation_tag: bytes | None = None

    def encode(self) -> bytes:
        """The `FramedContentAuthData` struct."""
        tag = self.confirmation_tag
        return vector(self.signature) if tag is None else vector(self.signature) + vector(tag)


def read_auth(reader: Reader, content_type: ContentType) -> FramedContentAuthData:
    """A `FramedContentAuthData`, whose form depends on what it authenticates."""
    signature = reader.vector()
    is_commit = content_type is ContentType.COMMIT
    return FramedContentAuthData(signature, reader.vector() if is_commit else None)


@dataclass(slots=True)
class AuthenticatedContent:
    """A message with its signature: what is the same however it travels."""

    wire_format: WireFormat
    content: FramedContent
    auth: FramedContentAuthData

    def encode(self) -> bytes:
        """The `AuthenticatedContent` struct."""
        return u16(self.wire_format) + self.content.encode() + self.auth.encode()

    def proposal_reference(self, suite: Suite) -> bytes:
        """The ProposalRef by which a Commit names this Proposal. Section 5.2."""
        return suite.ref_hash("MLS 1.0 Proposal Reference", self.encode())


def read_authenticated_content(reader: Reader) -> AuthenticatedContent:
    """An `AuthenticatedContent`; only public and private messages carry one."""
    number = reader.u16()
    if number not in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        raise PeerError("malformed", "this wire format carries no framed content")
    content = read_framed_content(reader)
    auth = read_auth(reader, content.content_type)
    return AuthenticatedContent(WireFormat(number), content, auth)


def to_be_signed(
    content: FramedContent, *, wire_format: WireFormat, context: bytes | None
) -> bytes:
    """The `FramedContentTBS` struct; `context` is the encoded GroupContext of the epoch.

    A member's or a new member's Commit needs the context, from other senders it is left out.
    """
    if content.sender.type not in _WITH_CONTEXT:
        context = b""
    elif context is None:
        raise UsageError("this sender's signature covers the GroupContext")
    return u16(MLS10) + u16(wire_format) + content.encode() + context


def check_sender(content: FramedContent, wire_format: WireFormat) -> None:
    """Raise PeerError when this sender must not say this, or not this way. Section 6.1."""
    allowed = _ONLY_CONTENT.get(content.sender.type)
    if allowed is not None and allowed is not content.content_type:
        raise PeerError("VAL-6.1-1", "this kind of sender must not send this content")
    if wire_format is WireFormat.PRIVATE_MESSAGE and content.sender.type is not SenderType.MEMBER:
        raise PeerError("VAL-6-1", "only members send private messages")
    # "Applications MUST use PrivateMessage to encrypt application messages" (6)
    is_application = content.content_type is ContentType.APPLICATION
    if is_application and wire_format is not WireFormat.PRIVATE_MESSAGE:
        raise PeerError("VAL-6-2", "application data must be encrypted")


def sign(
    suite: Suite,
    content: FramedContent,
    *,
    wire_format: WireFormat,
    context: bytes | None,
    signer: Signer,
) -> bytes:
    """The signature over a message that will travel in `wire_format`."""
    signed = to_be_signed(content, wire_format=wire_format, context=context)
    return suite.sign_with_label(signer, _TBS_LABEL, signed)


def verify(
    suite: Suite, message: AuthenticatedContent, *, public_key: bytes, context: bytes | None
) -> None:
    """Check the sender's rights and signature; the confirmation tag is the key schedule's matter.

    Raises PeerError: a rule's id, "bad_signature" or "bad_public_key".
    """
    check_sender(message.content, message.wire_format)
    # VAL-6.1-3: "Recipients of an MLSMessage MUST verify the signature" (6.1)
    signed = to_be_signed(message.content, wire_format=message.wire_format, context=context)
    suite.verify_with_label(public_key, _TBS_LABEL, signed, message.auth.signature)


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A message that is signed and not encrypted; a member's carries a membership tag."""

    content: FramedContent
    auth: FramedContentAuthData
    membership_tag: bytes | None = None

    @property
    def authenticated(self) -> AuthenticatedContent:
        """The same without its membership tag."""
        return AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, self.content, self.auth)

    def encode(self) -> bytes:
        """The `PublicMessage` struct."""
        tag = b"" if self.membership_tag is None else vector(self.membership_tag)
        return self.content.encode() + self.auth.encode() + tag


def read_public_message(reader: Reader) -> PublicMessage:
    """A `PublicMessage`, unchecked."""
    content = read_framed_content(reader)
    auth = read_auth(reader, content.content_type)
    is_member = content.sender.type is SenderType.MEMBER
    return PublicMessage(content, auth, reader.vector() if is_member else None)


@dataclass(slots=True)
class PrivateMessage:
    """A message that is signed and encrypted: all that members send."""

    group_id: bytes
    epoch: int
    content_type: ContentType
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """The `PrivateMessage` struct."""
        return b"".join(
            (
                vector(self.group_id),
                u64(self.epoch),
                u8(self.content_type),
                vector(self.authenticated_data),
                vector(self.encrypted_sender_data),
                vector(self.ciphertext),
            )
        )


def read_private_message(reader: Reader) -> PrivateMessage:
    """A `PrivateMessage`, still encrypted."""
    return PrivateMessage(
        group_id=reader.vector(),
        epoch=reader.u64(),
        content_type=read_content_type(reader),
        authenticated_data=reader.vector(),
        encrypted_sender_data=reader.vector(),
        ciphertext=reader.vector(),
    )


def wrap(wire_format: WireFormat, encoded: bytes) -> bytes:
    """The `MLSMessage` around a struct that is already encoded."""
    return u16(MLS10) + u16(wire_format) + encoded
