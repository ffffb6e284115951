"""A group of two, as far as framing needs one: keys, a context and signed messages."""

from crypto.ed25519 import SigningKey
from crypto.mls import framing, secret_tree
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    WireFormat,
    member,
)
from crypto.mls.secret_tree import SecretTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_math import LeafIndex

SENDER = 1
SIGNER = SigningKey.from_seed(b"\x01" * 32)
OTHER_SIGNER = SigningKey.from_seed(b"\x02" * 32)
CONTEXT = b"the encoded GroupContext"
SENDER_DATA_SECRET = b"\x03" * 32
MEMBERSHIP_KEY = b"\x04" * 32
REMOVE = b"\x00\x03" + b"\x00\x00\x00\x05"  # a Remove proposal of leaf 5
COMMIT = b"\x00\x00"  # a Commit of nothing, without a path
BODIES = {
    ContentType.APPLICATION: b"hello",
    ContentType.PROPOSAL: REMOVE,
    ContentType.COMMIT: COMMIT,
}


def tree() -> SecretTree:
    """The secret tree that both members start from."""
    return secret_tree.create(SUITE_1, 2, b"\x05" * 32)


def key_of(leaf: LeafIndex) -> bytes | None:
    """The signature key of the one leaf that is not blank."""
    return SIGNER.public if leaf == SENDER else None


def signed(
    kind: ContentType,
    *,
    form: WireFormat = WireFormat.PRIVATE_MESSAGE,
    body: bytes | None = None,
    sender: Sender | None = None,
    signer: SigningKey = SIGNER,
    context: bytes = CONTEXT,
) -> AuthenticatedContent:
    """A message, signed; a Commit gets a confirmation tag of the right length."""
    content = FramedContent(
        b"group", 7, sender or member(SENDER), b"data", kind, BODIES[kind] if body is None else body
    )
    signature = framing.sign(SUITE_1, content, wire_format=form, context=context, signer=signer)
    tag = bytes(32) if kind is ContentType.COMMIT else None
    return AuthenticatedContent(form, content, FramedContentAuthData(signature, tag))
