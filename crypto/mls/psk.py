"""Pre-shared keys: their identifiers on the wire and the secret that a list of them gives.

Never looks a key up: who calls brings each identifier together with its key. RFC 9420, section 8.4.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from crypto.errors import PeerError, UsageError
from crypto.mls.codec import Reader, u8, u16, u64, vector
from crypto.mls.hpke import Random
from crypto.mls.suite import Suite

_EXTERNAL = 1
_RESUMPTION = 2
_MOST_PSKS = 0xFFFF  # PSKLabel.index and PSKLabel.count are uint16


class ResumptionUsage(IntEnum):
    """What a resumption PSK is injected for."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


@dataclass(frozen=True, slots=True)
class ExternalPskId:
    """Names a key that the application provided; `nonce` is fresh for each use, KDF.Nh bytes."""

    psk_id: bytes
    nonce: bytes

    def encode(self) -> bytes:
        """The PreSharedKeyID struct."""
        return u8(_EXTERNAL) + vector(self.psk_id) + vector(self.nonce)


@dataclass(frozen=True, slots=True)
class ResumptionPskId:
    """Names the resumption_psk of a group's epoch; `nonce` is fresh for each use, KDF.Nh bytes."""

    usage: ResumptionUsage
    group_id: bytes
    epoch: int
    nonce: bytes

    def encode(self) -> bytes:
        """The PreSharedKeyID struct."""
        named = u8(self.usage) + vector(self.group_id) + u64(self.epoch)
        return u8(_RESUMPTION) + named + vector(self.nonce)


PskId = ExternalPskId | ResumptionPskId


def read_psk_id(reader: Reader) -> PskId:
    """One PreSharedKeyID; PeerError("malformed") on an unknown type or usage."""
    kind = reader.u8()
    if kind == _EXTERNAL:
        return ExternalPskId(psk_id=reader.vector(), nonce=reader.vector())
    if kind != _RESUMPTION:
        raise PeerError("malformed", "unknown PSK type")
    usage = reader.u8()
    if usage not in ResumptionUsage.__members__.values():
        raise PeerError("malformed", "unknown usage of a resumption PSK")
    return ResumptionPskId(
        usage=ResumptionUsage(usage),
        group_id=reader.vector(),
        epoch=reader.u64(),
        nonce=reader.vector(),
    )


def fresh_nonce(suite: Suite, *, random: Random = os.urandom) -> bytes:
    """The psk_nonce of one use: KDF.Nh bytes."""
    return random(suite.hash_length)


def psk_secret(suite: Suite, psks: Sequence[tuple[PskId, bytes]]) -> bytes:
    """The psk_secret of keys in the order of the Commit or GroupSecrets: KDF.Nh bytes.

    All zero when there are none. Raises UsageError above 65535 keys.
    """
    count = len(psks)
    if count > _MOST_PSKS:
        raise UsageError("at most 65535 pre-shared keys go into one epoch")
    secret = suite.zero
    for index, (psk_id, psk) in enumerate(psks):
        extracted = suite.extract(suite.zero, psk)
        label = psk_id.encode() + u16(index) + u16(count)
        step = suite.expand_with_label(extracted, "derived psk", label, suite.hash_length)
        secret = suite.extract(step, secret)
    return secret
