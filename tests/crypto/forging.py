"""Certificates that nobody ought to accept: take a good one apart, change it, sign it again.

Never used by the code under test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crypto import der
from crypto.identity import RootKey


@dataclass
class Node:
    """One DER value: its tag, and its bytes or the values inside."""

    tag: int
    inside: bytes | list[Node]

    def __getitem__(self, place: int) -> Node:
        assert isinstance(self.inside, list)
        return self.inside[place]

    @property
    def children(self) -> list[Node]:
        assert isinstance(self.inside, list)
        return self.inside

    def encode(self) -> bytes:
        if isinstance(self.inside, bytes):
            return der.encode(self.tag, self.inside)
        return der.encode(self.tag, *(node.encode() for node in self.inside))


def parse_all(data: bytes) -> list[Node]:
    nodes = []
    while data:
        at, size = 2, data[1]
        if size >= 0x80:
            at = 2 + (size & 0x7F)
            size = int.from_bytes(data[2:at], "big")
        content, tag = data[at : at + size], data[0]
        nodes.append(Node(tag, parse_all(content) if tag & 0x20 else content))
        data = data[at + size :]
    return nodes


def forge(
    root: RootKey, certificate: bytes, change: Callable[[Node], None], algorithm: bytes = b""
) -> bytes:
    """`certificate` with its signed part changed, then signed by `root`."""
    (whole,) = parse_all(certificate)
    change(whole[0])
    tbs = whole[0].encode()
    outer = algorithm or whole[1].encode()
    return der.encode(der.SEQUENCE, tbs, outer, der.bit_string(root.sign_certificate(tbs)))
