"""The running hashes over all Commits of a group, and the tag that confirms them.

Never decides anything: it computes and compares. RFC 9420, sections 6.1 and 8.2.
"""

from crypto.errors import UsageError
from crypto.mls.codec import u16, vector
from crypto.mls.framing import AuthenticatedContent, ContentType, FramedContent, WireFormat
from crypto.mls.suite import Suite


def confirmed_hash(
    suite: Suite,
    interim: bytes,
    *,
    wire_format: WireFormat,
    content: FramedContent,
    signature: bytes,
) -> bytes:
    """confirmed_transcript_hash after this Commit; `interim` is the hash before, or empty."""
    if content.content_type is not ContentType.COMMIT:
        raise UsageError("only Commits enter the transcript")
    return suite.hash(interim + u16(wire_format) + content.encode() + vector(signature))


def confirmed_hash_after(suite: Suite, interim: bytes, commit: AuthenticatedContent) -> bytes:
    """The same for a Commit as received."""
    return confirmed_hash(
        suite,
        interim,
        wire_format=commit.wire_format,
        content=commit.content,
        signature=commit.auth.signature,
    )


def interim_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """interim_transcript_hash of the epoch that has this confirmed hash and this tag."""
    return suite.hash(confirmed + vector(confirmation_tag))


def confirmation_tag(suite: Suite, confirmation_key: bytes, confirmed: bytes) -> bytes:
    """The tag by which a committer shows that it has reached the new epoch: KDF.Nh bytes."""
    return suite.mac(confirmation_key, confirmed)


def check_confirmation_tag(
    suite: Suite, confirmation_key: bytes, *, confirmed: bytes, tag: bytes
) -> None:
    """Raise PeerError("bad_confirmation_tag") unless the whole tag is right."""
    # VAL-6.1-5: "valid when both the signature and confirmation_tag fields are valid" (6.1)
    suite.check_mac(confirmation_key, confirmed, tag=tag, code="bad_confirmation_tag")
