"""Protects and opens messages that are signed, not encrypted, and tags those of members.

Never lets a member's message through without its membership tag. RFC 9420, section 6.2.
"""

from crypto.errors import PeerError, UsageError
from crypto.mls.framing import (
    AuthenticatedContent,
    PublicMessage,
    SenderType,
    WireFormat,
    check_sender,
    to_be_signed,
    verify,
)
from crypto.mls.suite import Suite


def _tag_input(message: AuthenticatedContent, context: bytes) -> bytes:
    signed = to_be_signed(message.content, wire_format=message.wire_format, context=context)
    return signed + message.auth.encode()


def protect(
    suite: Suite,
    message: AuthenticatedContent,
    *,
    membership_key: bytes | None = None,
    context: bytes = b"",
) -> PublicMessage:
    """A PublicMessage of a signed message; a member's needs membership_key and GroupContext.

    Raises UsageError for application data or a message signed for another wire format.
    """
    if message.wire_format is not WireFormat.PUBLIC_MESSAGE:
        raise UsageError("the message was signed for another wire format")
    try:
        check_sender(message.content, message.wire_format)
    except PeerError as error:
        raise UsageError(str(error)) from None
    if message.content.sender.type is not SenderType.MEMBER:
        return PublicMessage(message.content, message.auth)
    if membership_key is None:
        raise UsageError("a member's message needs the membership key")
    tag = suite.mac(membership_key, _tag_input(message, context))
    return PublicMessage(message.content, message.auth, tag)


def check_membership_tag(
    suite: Suite, message: PublicMessage, *, membership_key: bytes, context: bytes
) -> None:
    """Raise PeerError("bad_membership_tag") unless a member's message has the whole right tag."""
    if message.content.sender.type is not SenderType.MEMBER:
        return
    # VAL-6.2-1: "the application MUST check membership_tag" (6.2)
    expected = _tag_input(message.authenticated, context)
    tag = message.membership_tag or b""
    suite.check_mac(membership_key, expected, tag=tag, code="bad_membership_tag")


def unprotect(
    suite: Suite,
    message: PublicMessage,
    *,
    public_key: bytes,
    membership_key: bytes,
    context: bytes,
) -> AuthenticatedContent:
    """The signed message inside; `public_key` is the sender's, `context` the GroupContext.

    Raises PeerError: "bad_membership_tag", "bad_signature", "bad_public_key" or a rule's id.
    """
    check_membership_tag(suite, message, membership_key=membership_key, context=context)
    verify(suite, message.authenticated, public_key=public_key, context=context)
    return message.authenticated
