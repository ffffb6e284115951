"""Proposals of somebody outside the group, whose key stands in external_senders. RFC 9420, 12.1.8.

Never knows a group's secrets: whoever only relays messages can make and check them.
"""

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
from crypto.mls.proposals import Remove, encode_proposal
from crypto.mls.suite import Signer, Suite


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
    """MLSMessage(PublicMessage) that asks to remove a leaf in that epoch.

    `sender_index` is the place of the signer's key in the group's external_senders.
    """
    content = FramedContent(
        group_id,
        epoch,
        Sender(SenderType.EXTERNAL, sender_index),
        authenticated_data,
        ContentType.PROPOSAL,
        encode_proposal(Remove(leaf_index)),
    )
    wire_format = WireFormat.PUBLIC_MESSAGE
    signature = framing.sign(suite, content, wire_format=wire_format, context=None, signer=signer)
    signed = AuthenticatedContent(wire_format, content, FramedContentAuthData(signature))
    return framing.wrap(wire_format, public_message.protect(suite, signed).encode())
