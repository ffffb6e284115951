"""Messages of members, the relay and newcomers: wrong inside, and signed, tagged and sealed right.

Never wrong in what the fuzzer did not choose to change.
"""

from __future__ import annotations

from crypto.mls import framing
from crypto.mls.codec import u8, u64, vector
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    member,
)
from crypto.mls.group import Group
from crypto.mls.messages import encode_message
from crypto.mls.private_message import SenderData, sender_data_keys
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_math import LeafIndex
from tests.crypto.mls.clients import RELAY, signing_key
from tests.fuzz.choices import Choices, edited, mutated


def private(group: Group, name: str, kind: ContentType, body: bytes, choices: Choices) -> bytes:
    """A member's PrivateMessage: `body` signed, then anything of it changed, then sealed."""
    content = FramedContent(
        group.group_id, group.epoch, member(group.own_leaf), b"data", kind, body
    )
    signature = framing.sign(
        SUITE_1,
        content,
        wire_format=WireFormat.PRIVATE_MESSAGE,
        context=group.context.encode(),
        signer=signing_key(name),
    )
    auth = FramedContentAuthData(signature, bytes(32) if kind is ContentType.COMMIT else None)
    plaintext = content.body() + auth.encode() + bytes(choices.below(8))
    if choices.yes():
        plaintext = edited(plaintext, choices)
    _, key = group.secret_tree.next_key(LeafIndex(group.own_leaf), kind)
    guard = bytes(4)
    sender = SenderData(LeafIndex(group.own_leaf), key.generation, guard)
    if choices.yes():
        sender = mutated(sender, choices)
    head = vector(group.group_id) + u64(group.epoch) + u8(kind)
    ciphertext = SUITE_1.seal(
        key.key, key.nonce, aad=head + vector(content.authenticated_data), data=plaintext
    )
    data_key, nonce = sender_data_keys(SUITE_1, group.secrets.sender_data, ciphertext)
    data = edited(sender.encode(), choices) if choices.rarely() else sender.encode()
    sealed = SUITE_1.seal(data_key, nonce, aad=head, data=data)
    message = PrivateMessage(group.group_id, group.epoch, kind, b"data", sealed, ciphertext)
    return encode_message(mutated(message, choices) if choices.rarely() else message)


def public(group: Group, sender: Sender, name: str, body: bytes, choices: Choices) -> bytes:
    """A PublicMessage with a Proposal or Commit, of the relay, a newcomer or a member."""
    kind = ContentType.COMMIT if choices.byte() & 7 == 7 else ContentType.PROPOSAL
    content = FramedContent(group.group_id, group.epoch, sender, b"the order", kind, body)
    if choices.yes():
        content = mutated(content, choices)
    context = group.context.encode()
    needs_context = sender.type in (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT)
    signer = RELAY if sender.type is SenderType.EXTERNAL else signing_key(name)
    signature = framing.sign(
        SUITE_1,
        content,
        wire_format=WireFormat.PUBLIC_MESSAGE,
        context=context if needs_context else None,
        signer=signer,
    )
    tag = bytes(32) if content.content_type is ContentType.COMMIT else None
    signed = AuthenticatedContent(
        WireFormat.PUBLIC_MESSAGE, content, FramedContentAuthData(signature, tag)
    )
    message = PublicMessage(content, signed.auth, _membership_tag(group, signed))
    return encode_message(mutated(message, choices) if choices.rarely() else message)


def _membership_tag(group: Group, signed: AuthenticatedContent) -> bytes | None:
    """The tag of a member's message. RFC 9420, section 6.2."""
    if signed.content.sender.type is not SenderType.MEMBER:
        return None
    tagged = framing.to_be_signed(
        signed.content, wire_format=signed.wire_format, context=group.context.encode()
    )
    return SUITE_1.mac(group.secrets.membership_key, tagged + signed.auth.encode())
