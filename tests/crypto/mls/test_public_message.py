"""Public messages: a member's passes with its whole membership tag only."""

from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import public_message
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.framed import CONTEXT, MEMBERSHIP_KEY, OTHER_SIGNER, SIGNER, signed

PUBLIC = WireFormat.PUBLIC_MESSAGE
HANDSHAKES = [ContentType.PROPOSAL, ContentType.COMMIT]


def _protect(message: AuthenticatedContent) -> PublicMessage:
    return public_message.protect(SUITE_1, message, membership_key=MEMBERSHIP_KEY, context=CONTEXT)


def _unprotect(message: PublicMessage) -> AuthenticatedContent:
    return public_message.unprotect(
        SUITE_1,
        message,
        public_key=SIGNER.public,
        membership_key=MEMBERSHIP_KEY,
        context=CONTEXT,
    )


@pytest.mark.parametrize("kind", HANDSHAKES)
def test_what_is_protected_is_unprotected(kind: ContentType) -> None:
    message = signed(kind, form=PUBLIC)
    assert _unprotect(_protect(message)) == message


@pytest.mark.parametrize("kind", HANDSHAKES)
@pytest.mark.parametrize("size", [*range(32), 33, 64])
def test_a30_a_membership_tag_of_another_length_is_refused(kind: ContentType, size: int) -> None:
    message = _protect(signed(kind, form=PUBLIC))
    tag = ((message.membership_tag or b"") * 2)[:size]
    with pytest.raises(PeerError) as caught:
        _unprotect(replace(message, membership_tag=tag))
    assert caught.value.code == "bad_membership_tag"


def test_a_member_without_a_tag_is_refused() -> None:
    message = _protect(signed(ContentType.PROPOSAL, form=PUBLIC))
    with pytest.raises(PeerError) as caught:
        _unprotect(replace(message, membership_tag=None))
    assert caught.value.code == "bad_membership_tag"


def test_a_tag_covers_content_and_signature() -> None:
    message = _protect(signed(ContentType.COMMIT, form=PUBLIC))
    changes = [
        replace(message, content=replace(message.content, epoch=8)),
        replace(message, auth=replace(message.auth, signature=bytes(64))),
        replace(message, auth=replace(message.auth, confirmation_tag=bytes(31) + b"\x01")),
    ]
    for changed in changes:
        with pytest.raises(PeerError) as caught:
            _unprotect(changed)
        assert caught.value.code == "bad_membership_tag"


def test_a_right_tag_does_not_excuse_a_wrong_signature() -> None:
    message = _protect(signed(ContentType.COMMIT, form=PUBLIC, signer=OTHER_SIGNER))
    with pytest.raises(PeerError) as caught:
        _unprotect(message)
    assert caught.value.code == "bad_signature"


def test_who_is_outside_sends_without_a_tag() -> None:
    sender = Sender(SenderType.EXTERNAL)
    message = signed(ContentType.PROPOSAL, form=PUBLIC, sender=sender)
    sent = public_message.protect(SUITE_1, message)
    assert sent.membership_tag is None
    assert _unprotect(sent) == message


def test_what_must_not_be_public_is_not_sent() -> None:
    for message in (
        signed(ContentType.APPLICATION, form=PUBLIC),
        signed(ContentType.PROPOSAL, form=WireFormat.PRIVATE_MESSAGE),
        signed(ContentType.COMMIT, form=PUBLIC, sender=Sender(SenderType.EXTERNAL)),
    ):
        with pytest.raises(UsageError):
            _protect(message)
    with pytest.raises(UsageError):
        public_message.protect(SUITE_1, signed(ContentType.PROPOSAL, form=PUBLIC))
