"""The running hash: what a device has seen of a log since the epoch began, in 32 bytes.

Never covers a secret: everything in it is known to the relay, so that it can stand in the store.
"""

from __future__ import annotations

from hashlib import sha256

from crypto.labels import Purpose, labelled

HASH_BYTES = 32


def start(conversation: bytes, *, commit_seq: int, transcript: bytes) -> bytes:
    """Return the hash (32 bytes) at the commit that opened an epoch (0: the founding).

    `transcript` is the epoch's confirmed transcript hash, which covers that commit (RFC 9420, 8.2):
    known also to who joined by a Welcome and never saw the commit.
    """
    parts = (b"start", conversation, commit_seq.to_bytes(8), transcript)
    return sha256(labelled(Purpose.RUNNING_HASH, *parts)).digest()


def step(before: bytes, *, seq: int, message: bytes) -> bytes:
    """Return the hash after the entry `seq` whose MLSMessage is `message`."""
    parts = (b"step", before, seq.to_bytes(8), message)
    return sha256(labelled(Purpose.RUNNING_HASH, *parts)).digest()
