"""Transcript hashes: the official vectors are in test_vectors; here, what must be refused."""

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import transcript
from crypto.mls.framing import ContentType, FramedContent, WireFormat, member
from crypto.mls.suite import SUITE_1

CONFIRMED = bytes(range(32))
TAG = transcript.confirmation_tag(SUITE_1, b"key", CONFIRMED)


@pytest.mark.parametrize("size", [*range(32), 33])
def test_a30_a_confirmation_tag_of_another_length_is_refused(size: int) -> None:
    transcript.check_confirmation_tag(SUITE_1, b"key", confirmed=CONFIRMED, tag=TAG)
    with pytest.raises(PeerError) as caught:
        transcript.check_confirmation_tag(
            SUITE_1, b"key", confirmed=CONFIRMED, tag=(TAG * 2)[:size]
        )
    assert caught.value.code == "bad_confirmation_tag"


def test_a_tag_under_another_key_is_refused() -> None:
    with pytest.raises(PeerError):
        transcript.check_confirmation_tag(SUITE_1, b"other", confirmed=CONFIRMED, tag=TAG)


@pytest.mark.parametrize("kind", [ContentType.APPLICATION, ContentType.PROPOSAL])
def test_only_commits_enter_the_transcript(kind: ContentType) -> None:
    content = FramedContent(b"group", 1, member(0), b"", kind, b"")
    with pytest.raises(UsageError):
        transcript.confirmed_hash(
            SUITE_1,
            b"",
            wire_format=WireFormat.PRIVATE_MESSAGE,
            content=content,
            signature=bytes(64),
        )
