"""What goes between the two libraries in a session, as plain values.

Never belongs to one of them: ours.py and theirs.py give and take the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

Psks = Mapping[bytes, bytes]

GROUP_EXTENSION = 0xF100
LIFETIME = (0, 2**63)  # of KeyPackages: nobody looks at a clock here
EXPORTER_LABEL, EXPORTER_CONTEXT = "interop", b"context"


@dataclass(frozen=True)
class Seen:
    """How one member sees its epoch; all but the leaf must be equal for everybody."""

    leaf: int
    epoch: int
    authenticator: bytes
    tree_hash: bytes
    exported: bytes

    @property
    def shared(self) -> tuple[int, bytes, bytes, bytes]:
        return self.epoch, self.authenticator, self.tree_hash, self.exported


@dataclass(frozen=True)
class Style:
    """How a message goes out: what it authenticates, how it is padded and framed."""

    authenticated_data: bytes = b""
    padding: int = 0
    is_public: bool = False


@dataclass(frozen=True)
class Sent:
    """A Commit that nobody has merged yet, with its Welcome and the tree that a newcomer needs.

    `tree` is None when the Welcome carries it.
    """

    message: bytes
    welcome: bytes | None = None
    tree: bytes | None = None


@dataclass(frozen=True)
class Told:
    """What somebody outside needs to know; `tree` is None when the GroupInfo carries it."""

    group_info: bytes
    tree: bytes | None


# What members make of a message; ts-mls's are asked for when this is called, many at once.
Views: TypeAlias = Callable[[], dict[str, Seen]]
Reads: TypeAlias = Callable[[], list[tuple[bytes, bytes]]]
