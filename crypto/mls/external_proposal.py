"""Proposals of somebody outside the group: an external sender, or a newcomer. RFC 9420, 12.1.8.

Never knows a group's secrets: whoever only relays messages can make and check them.
"""

from crypto.errors import UsageError
from crypto.mls import framing, public_message
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.key_package import KeyPackage
from crypto.mls.proposals import FROM_OUTSIDE, Add, Proposal, Remove, encode_proposal
from crypto.mls.suite import Signer, Suite


def external_proposal(
    proposal: Proposal,
    *,
    suite: Suite,
    group_id: bytes,
    epoch: int,
    authenticated_data: bytes,
    signer: Signer,
    sender_index: int = 0,
) -> bytes:
    """MLSMessage(PublicMessage) of an external sender, for that epoch.

    `sender_index` is the place of the signer's key in the group's external_senders. Raises
    UsageError for a type that external senders must not propose.
    """
    if not isinstance(proposal, FROM_OUTSIDE):
        raise UsageError("an external sender must not propose this")
    sender = Sender(SenderType.EXTERNAL, sender_index)
    content = _content(proposal, group_id, epoch, sender, authenticated_data)
    return _signed(suite, content, signer)


def external_remove(
    *,
    suite: Suite,
    group_id: bytes,
    epoch: int,
    leaf_index: int,
    authenticated_data: bytes,
    signer: Signer,
    sender_index: int = 0,
) -> bytes:
    """The same that asks to remove a leaf."""
    return external_proposal(
        Remove(leaf_index),
        suite=suite,
        group_id=group_id,
        epoch=epoch,
        authenticated_data=authenticated_data,
        signer=signer,
        sender_index=sender_index,
    )


def new_member_proposal(
    key_package: KeyPackage,
    *,
    suite: Suite,
    group_id: bytes,
    epoch: int,
    authenticated_data: bytes,
    signer: Signer,
) -> bytes:
    """MLSMessage(PublicMessage) by which a client asks to be added with its own KeyPackage.

    Raises UsageError unless `signer` holds the key of the KeyPackage's leaf. Section 6.1.
    """
    if key_package.leaf_node.signature_key != signer.public:
        raise UsageError("a newcomer proposes itself only")
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    content = _content(Add(key_package), group_id, epoch, sender, authenticated_data)
    return _signed(suite, content, signer)


def _content(
    proposal: Proposal, group_id: bytes, epoch: int, sender: Sender, authenticated_data: bytes
) -> FramedContent:
    return FramedContent(
        group_id,
        epoch,
        sender,
        authenticated_data,
        ContentType.PROPOSAL,
        encode_proposal(proposal),
    )


def _signed(suite: Suite, content: FramedContent, signer: Signer) -> bytes:
    # "An external proposal MUST be sent as a PublicMessage object" (12.1.8)
    wire_format = WireFormat.PUBLIC_MESSAGE
    signature = framing.sign(suite, content, wire_format=wire_format, context=None, signer=signer)
    signed = AuthenticatedContent(wire_format, content, FramedContentAuthData(signature))
    return framing.wrap(wire_format, public_message.protect(suite, signed).encode())
