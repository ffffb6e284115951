"""Encrypts and decrypts messages of members: content, padding, and who sent it.

Never returns content whose signature was not checked, and never moves a ratchet for a forgery: who
calls keeps the old tree until this returns the new one. RFC 9420, section 6.3.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

from crypto.errors import PeerError, UsageError
from crypto.mls.aead import AEAD_TAG_LENGTH
from crypto.mls.codec import Reader, u8, u64, vector
from crypto.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    SenderType,
    WireFormat,
    member,
    read_auth,
    read_body,
    verify,
)
from crypto.mls.hpke import Random
from crypto.mls.ratchet import MessageKey
from crypto.mls.secret_tree import SecretTree
from crypto.mls.suite import Suite
from crypto.mls.tree_math import LeafIndex

REUSE_GUARD_LENGTH = 4
SENDER_DATA_LENGTH = 12
_SENDER_DATA = Struct(f">II{REUSE_GUARD_LENGTH}s")


@dataclass(slots=True)
class SenderData:
    """Which key of which ratchet opens the content. Section 6.3.2."""

    leaf_index: LeafIndex
    generation: int
    reuse_guard: bytes

    def encode(self) -> bytes:
        """The `SenderData` struct: 12 bytes."""
        return _SENDER_DATA.pack(self.leaf_index, self.generation, self.reuse_guard)


def sender_data_keys(
    suite: Suite, sender_data_secret: bytes, ciphertext: bytes
) -> tuple[bytes, bytes]:
    """Key and nonce of the sender data that goes with a ciphertext."""
    sample = ciphertext[: suite.hash_length]
    expand = suite.expand_with_label
    key = expand(sender_data_secret, "key", sample, suite.key_length)
    return key, expand(sender_data_secret, "nonce", sample, suite.nonce_length)


def _sender_data_aad(message: PrivateMessage | FramedContent) -> bytes:
    return vector(message.group_id) + u64(message.epoch) + u8(message.content_type)


def _guarded(nonce: bytes, reuse_guard: bytes) -> bytes:
    shift = 8 * (len(nonce) - REUSE_GUARD_LENGTH)
    return (int.from_bytes(nonce) ^ int.from_bytes(reuse_guard) << shift).to_bytes(len(nonce))


def seal(
    suite: Suite,
    message: AuthenticatedContent,
    *,
    key: MessageKey,
    sender_data_secret: bytes,
    padding: int = 0,
    random: Random = os.urandom,
) -> PrivateMessage:
    """A PrivateMessage under one message key; `padding` is a number of zero bytes."""
    content = message.content
    if content.sender.type is not SenderType.MEMBER or padding < 0:
        raise UsageError("only members encrypt, with no less than no padding")
    if message.wire_format is not WireFormat.PRIVATE_MESSAGE:
        raise UsageError("the message was signed for another wire format")
    guard = random(REUSE_GUARD_LENGTH)
    plaintext = content.body() + message.auth.encode() + bytes(padding)
    nonce = _guarded(key.nonce, guard)
    aad = _sender_data_aad(content)
    content_aad = aad + vector(content.authenticated_data)
    ciphertext = suite.seal(key.key, nonce, aad=content_aad, data=plaintext)
    sender_data = SenderData(LeafIndex(content.sender.index), key.generation, guard).encode()
    data_key, data_nonce = sender_data_keys(suite, sender_data_secret, ciphertext)
    return PrivateMessage(
        group_id=content.group_id,
        epoch=content.epoch,
        content_type=content.content_type,
        authenticated_data=content.authenticated_data,
        encrypted_sender_data=suite.seal(data_key, data_nonce, aad=aad, data=sender_data),
        ciphertext=ciphertext,
    )


def protect(
    tree: SecretTree,
    message: AuthenticatedContent,
    *,
    sender_data_secret: bytes,
    padding: int = 0,
    random: Random = os.urandom,
) -> tuple[SecretTree, PrivateMessage]:
    """A signed message, encrypted with its sender's next key, and the tree without that key.

    The tree must be stored before the message leaves: a key used twice gives both messages away.
    """
    sender = LeafIndex(message.content.sender.index)
    after, key = tree.next_key(sender, message.content.content_type)
    sealed = seal(
        tree.suite,
        message,
        key=key,
        sender_data_secret=sender_data_secret,
        padding=padding,
        random=random,
    )
    return after, sealed


def open_sender_data(
    suite: Suite, message: PrivateMessage, sender_data_secret: bytes
) -> SenderData:
    """Who sent a message, and with which key.

    Raises PeerError("decryption_failed"), before any derivation when a size is impossible.
    """
    if len(message.encrypted_sender_data) != SENDER_DATA_LENGTH + AEAD_TAG_LENGTH:
        raise PeerError("decryption_failed", "the sender data has the wrong length")
    if len(message.ciphertext) < AEAD_TAG_LENGTH:
        raise PeerError("decryption_failed", "the ciphertext is shorter than a tag")
    key, nonce = sender_data_keys(suite, sender_data_secret, message.ciphertext)
    aad = _sender_data_aad(message)
    # VAL-6.3.2-2: what does not open under the sender data key is of nobody (6.3.2)
    opened = suite.open(key, nonce, aad=aad, data=message.encrypted_sender_data)
    leaf_index, generation, reuse_guard = _SENDER_DATA.unpack(opened)
    return SenderData(LeafIndex(leaf_index), generation, reuse_guard)


def open_content(
    suite: Suite, message: PrivateMessage, *, key: MessageKey, sender_data: SenderData
) -> AuthenticatedContent:
    """The signed message inside; its signature is not checked yet.

    Raises PeerError: "decryption_failed", or "malformed" or "VAL-6.3.1-1".
    """
    nonce = _guarded(key.nonce, sender_data.reuse_guard)
    aad = _sender_data_aad(message) + vector(message.authenticated_data)
    # VAL-6.3.1-2: the AAD binds content to group, epoch, type and authenticated data (6.3.1)
    plaintext = suite.open(key.key, nonce, aad=aad, data=message.ciphertext)
    reader = Reader(plaintext)
    body, said = read_body(reader, message.content_type)
    auth = read_auth(reader, message.content_type)
    # "A receiver MUST verify that there are no non-zero bytes in the padding field" (6.3.1)
    padding = reader.rest()
    if padding.count(0) != len(padding):
        raise PeerError("VAL-6.3.1-1", "the padding is not all zero")
    content = FramedContent(
        group_id=message.group_id,
        epoch=message.epoch,
        sender=member(sender_data.leaf_index),
        authenticated_data=message.authenticated_data,
        content_type=message.content_type,
        content=body,
        said=said,
    )
    return AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, content, auth)


def unprotect(
    tree: SecretTree,
    message: PrivateMessage,
    *,
    sender_data_secret: bytes,
    public_key_of: Callable[[LeafIndex], bytes | None],
    context: bytes,
) -> tuple[SecretTree, AuthenticatedContent, int]:
    """The signed message, its signature checked, its generation, and the tree without its key.

    `public_key_of` gives the signature key of a leaf, None when it is blank or not in the tree;
    `context` is the encoded GroupContext of the epoch, which the caller has compared. Raises
    PeerError: "decryption_failed", "no_such_leaf", "key_consumed", "generation_too_far",
    "malformed", "VAL-6.3.1-1", "bad_signature", "bad_public_key".
    """
    sender_data = open_sender_data(tree.suite, message, sender_data_secret)
    leaf = sender_data.leaf_index
    # VAL-6.3.2-1: "the recipient MUST verify that the leaf index [...] identifies a non-blank
    # node" (6.3.2)
    public_key = public_key_of(leaf)
    if public_key is None:
        raise PeerError("no_such_leaf", "the sender is no member")
    after, key = tree.key_for(leaf, message.content_type, sender_data.generation)
    opened = open_content(tree.suite, message, key=key, sender_data=sender_data)
    verify(tree.suite, opened, public_key=public_key, context=context)
    return after, opened, sender_data.generation
