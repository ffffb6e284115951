"""What an insider can put on the wire: messages and Welcomes with real keys and false contents."""

from collections.abc import Callable
from dataclasses import replace

from crypto.ed25519 import SigningKey
from crypto.mls import framing, key_schedule, private_message, public_message
from crypto.mls.codec import decode_all
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    WireFormat,
    member,
)
from crypto.mls.group import Group, OwnCommit, OwnKeyPackage
from crypto.mls.proposals import Proposal, encode_proposal
from crypto.mls.ratchet import MessageKey
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, Signer
from crypto.mls.tree_math import LeafIndex
from crypto.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    decode_group_info,
    decode_welcome,
    encode_group_info,
    encode_welcome,
    read_group_info,
    read_group_secrets,
    sign_group_info,
)
from tests.crypto.mls.clients import signing_key

PRIVATE, PUBLIC = WireFormat.PRIVATE_MESSAGE, WireFormat.PUBLIC_MESSAGE


def signed(
    group: Group,
    kind: ContentType,
    body: bytes,
    *,
    signer: Signer,
    form: WireFormat = PRIVATE,
    sender: Sender | None = None,
) -> AuthenticatedContent:
    """A message of this epoch that `signer` signed, whoever it says it is from."""
    content = FramedContent(
        group.group_id, group.epoch, sender or member(group.own_leaf), b"", kind, body
    )
    signature = framing.sign(
        SUITE_1, content, wire_format=form, context=group.context.encode(), signer=signer
    )
    return AuthenticatedContent(form, content, FramedContentAuthData(signature))


def sealed(group: Group, message: AuthenticatedContent, *, generation: int | None = None) -> bytes:
    """The message under the next key of whom it claims to be from, which every member has.

    `generation` is what its sender data claims, if not the truth.
    """
    claimed, kind = message.content.sender.index, message.content.content_type
    leaf = claimed if claimed < group.tree.capacity else group.own_leaf
    _, key = group.secret_tree.next_key(LeafIndex(leaf), kind)
    if generation is not None:
        key = MessageKey(generation, key.key, key.nonce)
    secret = group.secrets.sender_data
    sent = private_message.seal(SUITE_1, message, key=key, sender_data_secret=secret)
    return framing.wrap(PRIVATE, sent.encode())


def public(group: Group, proposal: Proposal, sender: Sender, signer: SigningKey) -> bytes:
    """A proposal as a PublicMessage of any sender."""
    body, kind = encode_proposal(proposal), ContentType.PROPOSAL
    message = signed(group, kind, body, signer=signer, form=PUBLIC, sender=sender)
    context, key = group.context.encode(), group.secrets.membership_key
    sent = public_message.protect(SUITE_1, message, membership_key=key, context=context)
    return framing.wrap(PUBLIC, sent.encode())


def resigned(info: GroupInfo, signer: Signer) -> GroupInfo:
    """A GroupInfo, signed by `signer` for what it says now."""
    return sign_group_info(
        SUITE_1,
        info.group_context,
        info.extensions,
        confirmation_tag=info.confirmation_tag,
        leaf_index=info.signer,
        signer=signer,
    )


def group_info_of(group: Group, name: str, **changes: object) -> bytes:
    """The member's GroupInfo with other contents, signed again by the same member."""
    info = decode_group_info(group.signed_group_info(signing_key(name)))
    changed = replace(info, **changes)  # type: ignore[arg-type]
    return encode_group_info(resigned(changed, signing_key(name)))


def tree_info_of(group: Group, name: str, tree: RatchetTree) -> bytes:
    """The member's GroupInfo for another tree."""
    return group_info_of(group, name, group_context=replace(group.context, tree_hash=tree.hash()))


def rewelcomed(
    commit: OwnCommit,
    own: OwnKeyPackage,
    *,
    info: Callable[[GroupInfo], GroupInfo] = lambda info: info,
    secrets: Callable[[GroupSecrets], GroupSecrets] = lambda secrets: secrets,
    encrypted: Callable[[bytes], bytes] = lambda sealed: sealed,
) -> bytes:
    """The Welcome for `own` with another GroupInfo, other GroupSecrets, or another ciphertext."""
    assert commit.welcome is not None
    welcome = decode_welcome(commit.welcome)
    kept = next(one for one in welcome.secrets if one.new_member == own.reference)
    sealed = kept.encrypted_group_secrets
    opened = SUITE_1.decrypt_with_label(
        own.init_private,
        "Welcome",
        context=welcome.encrypted_group_info,
        kem_output=sealed.kem_output,
        ciphertext=sealed.ciphertext,
    )
    true = decode_all(opened, read_group_secrets)
    key, nonce = key_schedule.welcome_key_and_nonce(SUITE_1, true.joiner_secret, SUITE_1.zero)
    inside = SUITE_1.open(key, nonce, aad=b"", data=welcome.encrypted_group_info)
    changed = info(decode_all(inside, read_group_info)).encode()
    sealed_info = encrypted(SUITE_1.seal(key, nonce, aad=b"", data=changed))
    again = SUITE_1.encrypt_with_label(
        SUITE_1.encryption_key_of(own.init_private),
        "Welcome",
        context=sealed_info,
        plaintext=secrets(true).encode(),
    )
    entry = EncryptedGroupSecrets(own.reference, HpkeCiphertext(*again))
    return encode_welcome(replace(welcome, secrets=(entry,), encrypted_group_info=sealed_info))
