"""Framing: structs are read as written, and a sender says only what it may."""

import subprocess
import sys
from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import framing
from crypto.mls.codec import Reader, decode_all
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContentAuthData,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    member,
)
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.framed import BODIES, CONTEXT, OTHER_SIGNER, SIGNER, signed

PUBLIC, PRIVATE = WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE
SENDERS = [
    member(2**32 - 1),
    Sender(SenderType.EXTERNAL, 3),
    Sender(SenderType.NEW_MEMBER_PROPOSAL),
    Sender(SenderType.NEW_MEMBER_COMMIT),
]


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("kind", list(ContentType))
def test_structs_are_read_as_written(sender: Sender, kind: ContentType) -> None:
    content = replace(signed(kind).content, sender=sender)
    assert decode_all(content.encode(), framing.read_framed_content) == content
    tag = bytes(32) if kind is ContentType.COMMIT else None
    auth = FramedContentAuthData(bytes(64), tag)
    message = AuthenticatedContent(PUBLIC, content, auth)
    assert decode_all(message.encode(), framing.read_authenticated_content) == message
    is_member = sender.type is SenderType.MEMBER
    public = PublicMessage(content, auth, bytes(32) if is_member else None)
    assert decode_all(public.encode(), framing.read_public_message) == public
    private = PrivateMessage(b"group", 2**64 - 1, kind, b"data", bytes(28), bytes(99))
    assert decode_all(private.encode(), framing.read_private_message) == private


@pytest.mark.parametrize("number", [0, 5, 255])
def test_unknown_senders_and_contents_are_malformed(number: int) -> None:
    for read in (framing.read_sender, framing.read_content_type):
        with pytest.raises(PeerError) as caught:
            read(Reader(bytes((number, 0, 0, 0, 0))))
        assert caught.value.code == "malformed"


@pytest.mark.parametrize("number", [0, 3, 4, 5, 0xFFFF])
def test_other_wire_formats_carry_no_content(number: int) -> None:
    encoded = number.to_bytes(2) + signed(ContentType.COMMIT).encode()[2:]
    with pytest.raises(PeerError) as caught:
        decode_all(encoded, framing.read_authenticated_content)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize("kind", list(ContentType))
def test_a_cut_message_is_malformed_wherever_it_is_cut(kind: ContentType) -> None:
    whole = signed(kind).encode()
    for size in range(len(whole)):
        with pytest.raises(PeerError) as caught:
            decode_all(whole[:size], framing.read_authenticated_content)
        assert caught.value.code == "malformed"


def test_val_6_1_1_each_kind_of_sender_says_only_its_own() -> None:
    allowed = {
        SenderType.EXTERNAL: ContentType.PROPOSAL,
        SenderType.NEW_MEMBER_PROPOSAL: ContentType.PROPOSAL,
        SenderType.NEW_MEMBER_COMMIT: ContentType.COMMIT,
    }
    for kind, only in allowed.items():
        for content_type in ContentType:
            message = signed(content_type, form=PUBLIC, sender=Sender(kind))
            if content_type is only:
                _verify(message)
                continue
            with pytest.raises(PeerError) as caught:
                _verify(message)
            assert caught.value.code == "VAL-6.1-1"


def test_val_6_1_only_members_send_private_messages() -> None:
    message = signed(ContentType.PROPOSAL, sender=Sender(SenderType.EXTERNAL))
    with pytest.raises(PeerError) as caught:
        _verify(message)
    assert caught.value.code == "VAL-6-1"


def test_val_6_2_application_data_is_never_public() -> None:
    with pytest.raises(PeerError) as caught:
        _verify(signed(ContentType.APPLICATION, form=PUBLIC))
    assert caught.value.code == "VAL-6-2"


def _verify(message: AuthenticatedContent, key: bytes = SIGNER.public) -> None:
    framing.verify(SUITE_1, message, public_key=key, context=CONTEXT)


@pytest.mark.parametrize("kind", list(ContentType))
def test_a11_a_signature_is_bound_to_all_that_it_covers(kind: ContentType) -> None:
    message = signed(kind)
    _verify(message)
    content = message.content
    changes = [
        replace(content, group_id=b"other"),
        replace(content, epoch=8),
        replace(content, sender=member(0)),
        replace(content, authenticated_data=b""),
        replace(content, content=BODIES[kind] + b"\x00"),
    ]
    moved = [replace(message, content=changed) for changed in changes]
    moved.append(signed(kind, context=b"another GroupContext"))
    moved.append(signed(kind, signer=OTHER_SIGNER))
    if kind is not ContentType.APPLICATION:
        moved.append(replace(message, wire_format=PUBLIC))
    for other in moved:
        with pytest.raises(PeerError) as caught:
            _verify(other)
        assert caught.value.code == "bad_signature"


def test_a05_content_of_one_type_never_passes_as_another() -> None:
    for signed_as in ContentType:
        message = signed(signed_as, body=b"\x00\x00")
        for shown_as in ContentType:
            moved = replace(message, content=replace(message.content, content_type=shown_as))
            if shown_as is signed_as:
                _verify(moved)
                continue
            with pytest.raises(PeerError) as caught:
                _verify(moved)
            assert caught.value.code == "bad_signature"


def test_an_external_signature_leaves_the_context_out() -> None:
    sender = Sender(SenderType.EXTERNAL)
    message = signed(ContentType.PROPOSAL, form=PUBLIC, sender=sender, context=b"anything")
    framing.verify(SUITE_1, message, public_key=SIGNER.public, context=None)
    with pytest.raises(UsageError):
        framing.verify(
            SUITE_1,
            signed(ContentType.PROPOSAL),
            public_key=SIGNER.public,
            context=None,
        )


def test_a_proposal_reference_covers_the_whole_message() -> None:
    message = signed(ContentType.PROPOSAL)
    other = replace(message, auth=FramedContentAuthData(bytes(64)))
    references = {m.proposal_reference(SUITE_1) for m in (message, other)}
    assert {len(reference) for reference in references} == {32}
    assert len(references) == 2


def test_a_message_is_wrapped_with_version_and_format() -> None:
    assert framing.wrap(PRIVATE, b"struct") == b"\x00\x01\x00\x02struct"


def test_framing_never_loads_what_can_hold_a_group() -> None:
    program = (
        "import sys, crypto.mls.framing; "
        "held = {'group', 'key_schedule', 'secret_tree', 'ratchet_tree', 'private_message'}; "
        "sys.exit(any(f'crypto.mls.{name}' in sys.modules for name in held))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
