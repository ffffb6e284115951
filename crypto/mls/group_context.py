"""GroupContext: what the members of an epoch agree on. RFC 9420, section 8.1.

Never holds a secret.
"""

from dataclasses import dataclass, field

from crypto.mls.codec import Reader, u16, u64, vector
from crypto.mls.extensions import Extension, encode_extensions, read_extensions


@dataclass(frozen=True, slots=True)
class GroupContext:
    """The public state of an epoch; `suite` is the suite's number."""

    version: int
    suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: tuple[Extension, ...] = ()
    # Every message's signature covers it, so it is made once in an epoch.
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_encoded", self._encode())

    def encode(self) -> bytes:
        """The `GroupContext` struct."""
        return self._encoded

    def _encode(self) -> bytes:
        head = u16(self.version) + u16(self.suite) + vector(self.group_id) + u64(self.epoch)
        hashes = vector(self.tree_hash) + vector(self.confirmed_transcript_hash)
        return head + hashes + encode_extensions(self.extensions)


def read_group_context(reader: Reader) -> GroupContext:
    """A `GroupContext`."""
    return GroupContext(
        reader.u16(),
        reader.u16(),
        reader.vector(),
        epoch=reader.u64(),
        tree_hash=reader.vector(),
        confirmed_transcript_hash=reader.vector(),
        extensions=read_extensions(reader),
    )
