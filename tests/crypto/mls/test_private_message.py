"""Private messages: padding, sender data, reuse guard, and no key lost to a forgery."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import PeerError, UsageError
from crypto.mls import private_message, secret_tree
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    PrivateMessage,
    Sender,
    SenderType,
    WireFormat,
    member,
)
from crypto.mls.private_message import SenderData
from crypto.mls.secret_tree import SecretTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_math import LeafIndex
from tests.crypto.mls.framed import (
    CONTEXT,
    OTHER_SIGNER,
    SENDER,
    SENDER_DATA_SECRET,
    key_of,
    signed,
    tree,
)

APPLICATION = ContentType.APPLICATION


def _protect(
    before: SecretTree, message: AuthenticatedContent, padding: int = 0
) -> tuple[SecretTree, PrivateMessage]:
    return private_message.protect(
        before,
        message,
        sender_data_secret=SENDER_DATA_SECRET,
        padding=padding,
        random=random.Random(1).randbytes,
    )


def _unprotect(
    before: SecretTree, message: PrivateMessage
) -> tuple[SecretTree, AuthenticatedContent, int]:
    return private_message.unprotect(
        before,
        message,
        sender_data_secret=SENDER_DATA_SECRET,
        public_key_of=key_of,
        context=CONTEXT,
    )


def _refused(before: SecretTree, message: PrivateMessage) -> str:
    rows = secret_tree.rows(before)
    with pytest.raises(PeerError) as caught:
        _unprotect(before, message)
    assert secret_tree.rows(before) == rows
    return caught.value.code


def _sealed(plaintext: bytes, sender_data: SenderData | None = None) -> PrivateMessage:
    """A PrivateMessage of any plaintext, right in everything else: what an insider can make."""
    _, template = _protect(tree(), signed(APPLICATION))
    _, key = tree().next_key(LeafIndex(SENDER), APPLICATION)
    data = sender_data or SenderData(LeafIndex(SENDER), 0, bytes(4))
    head = template.encode()
    aad = head[: head.index(b"data") + 4]
    ciphertext = SUITE_1.seal(key.key, key.nonce, aad=aad, data=plaintext)
    data_key, nonce = private_message.sender_data_keys(SUITE_1, SENDER_DATA_SECRET, ciphertext)
    encrypted = SUITE_1.seal(data_key, nonce, aad=aad[:-5], data=data.encode())
    return replace(template, encrypted_sender_data=encrypted, ciphertext=ciphertext)


@settings(max_examples=30)
@given(st.binary(max_size=300), st.integers(0, 300))
def test_application_data_comes_through_with_any_padding(data: bytes, padding: int) -> None:
    message = signed(APPLICATION, body=data)
    _, sent = _protect(tree(), message, padding)
    _, received, generation = _unprotect(tree(), sent)
    assert (received, generation) == (message, 0)
    _, unpadded = _protect(tree(), message)
    assert len(sent.ciphertext) == len(unpadded.ciphertext) + padding


@pytest.mark.parametrize("kind", list(ContentType))
def test_a09_a_message_opens_once(kind: ContentType) -> None:
    _, sent = _protect(tree(), signed(kind))
    after, received, _ = _unprotect(tree(), sent)
    assert received == signed(kind)
    assert _refused(after, sent) == "key_consumed"
    again = secret_tree.from_rows(SUITE_1, secret_tree.rows(after))
    assert _refused(again, sent) == "key_consumed"


def test_messages_open_in_any_order_and_their_generations_are_told() -> None:
    sending, sent = tree(), []
    for number in range(20):
        sending, message = _protect(sending, signed(APPLICATION, body=bytes((number,))))
        sent.append(message)
    receiving = tree()
    for number in random.Random(5).sample(range(20), 20):
        receiving, received, generation = _unprotect(receiving, sent[number])
        assert (received.content.content, generation) == (bytes((number,)), number)


def test_a_forgery_moves_no_ratchet() -> None:
    _, genuine = _protect(tree(), signed(APPLICATION))
    _, forged = _protect(tree(), signed(APPLICATION, signer=OTHER_SIGNER))
    receiving = tree()
    assert _refused(receiving, forged) == "bad_signature"
    _, received, _ = _unprotect(receiving, genuine)
    assert received == signed(APPLICATION)


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("size", [1, 16, 100])
def test_padding_that_is_not_zero_is_refused(place: str, size: int) -> None:
    message = signed(APPLICATION)
    plain = message.content.body() + message.auth.encode()
    padding = bytearray(size)
    padding[0 if place == "first" else -1] = 1
    assert _unprotect(tree(), _sealed(plain + bytes(size)))[1] == message
    assert _refused(tree(), _sealed(plain + bytes(padding))) == "VAL-6.3.1-1"


def test_a_plaintext_cut_anywhere_is_malformed() -> None:
    message = signed(APPLICATION)
    plain = message.content.body() + message.auth.encode()
    for size in range(len(plain)):
        assert _refused(tree(), _sealed(plain[:size])) == "malformed"


@pytest.mark.parametrize("field", ["ciphertext", "encrypted_sender_data"])
def test_a30_a_cut_ciphertext_is_refused_at_every_length(field: str) -> None:
    _, sent = _protect(tree(), signed(APPLICATION))
    whole: bytes = getattr(sent, field)
    cuts = [whole[:size] for size in range(len(whole))]
    for damaged in (*cuts, whole + b"\x00", whole[:-1] + bytes((whole[-1] ^ 1,))):
        changed = replace(sent, **{field: damaged})
        assert _refused(tree(), changed) == "decryption_failed"


def test_a11_a_message_opens_where_it_belongs_only() -> None:
    _, sent = _protect(tree(), signed(APPLICATION))
    changes = [
        replace(sent, group_id=b"other"),
        replace(sent, epoch=8),
        replace(sent, authenticated_data=b"other"),
    ]
    for changed in changes:
        assert _refused(tree(), changed) == "decryption_failed"


def test_a05_a_message_opens_as_its_own_kind_only() -> None:
    for kind in ContentType:
        _, sent = _protect(tree(), signed(kind))
        for other in set(ContentType) - {kind}:
            assert _refused(tree(), replace(sent, content_type=other)) == "decryption_failed"


@pytest.mark.parametrize("leaf", [0, 2, 2**32 - 1])
def test_val_6_3_2_a_blank_leaf_sends_nothing(leaf: int) -> None:
    message = signed(APPLICATION)
    plain = message.content.body() + message.auth.encode()
    forged = _sealed(plain, SenderData(LeafIndex(leaf), 0, bytes(4)))
    assert _refused(tree(), forged) == "no_such_leaf"


@pytest.mark.parametrize("generation", [1001, 2**31, 2**32 - 1])
def test_a26_a_generation_out_of_reach_is_refused(generation: int) -> None:
    forged = _sealed(b"", SenderData(LeafIndex(SENDER), generation, bytes(4)))
    assert _refused(tree(), forged) == "generation_too_far"


def test_the_reuse_guard_separates_two_messages_under_one_key() -> None:
    message, sealed = signed(APPLICATION), []
    for guard in (b"\x00" * 4, b"\xff" * 4):
        _, sent = private_message.protect(
            tree(),
            message,
            sender_data_secret=SENDER_DATA_SECRET,
            random=lambda size, guard=guard: guard[:size],
        )
        assert _unprotect(tree(), sent)[1] == message
        sealed.append(sent)
        data = private_message.open_sender_data(SUITE_1, sent, SENDER_DATA_SECRET)
        assert data == SenderData(LeafIndex(SENDER), 0, guard)
    assert sealed[0].ciphertext != sealed[1].ciphertext


def test_what_no_member_signed_for_encryption_is_not_encrypted() -> None:
    outside = signed(ContentType.PROPOSAL, sender=Sender(SenderType.EXTERNAL, SENDER))
    for message in (
        outside,
        signed(ContentType.PROPOSAL, form=WireFormat.PUBLIC_MESSAGE),
    ):
        with pytest.raises(UsageError):
            _protect(tree(), message)
    with pytest.raises(UsageError):
        _protect(tree(), signed(APPLICATION), padding=-1)


def test_a_sender_says_who_it_is_with_its_own_key_only() -> None:
    claimed = signed(APPLICATION, sender=member(0))
    _, sent = _protect(tree(), claimed)
    assert _refused(tree(), sent) == "no_such_leaf"
