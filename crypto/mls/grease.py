"""GREASE: type numbers that mean nothing, sent so that everybody learns to ignore unknown ones.

Never looked for in what arrives: there they are unknown like any other. RFC 9420, section 13.5.
"""

from collections.abc import Iterable

from crypto.errors import UsageError
from crypto.mls.hpke import Random

# 0x0A0A, 0x1A1A and so on up to 0xEAEA.
GREASE_VALUES = tuple(0x0A0A + 0x1010 * step for step in range(15))


def pick(random: Random) -> int:
    """One of the values, chosen by two bytes of `random`."""
    return GREASE_VALUES[int.from_bytes(random(2)) % len(GREASE_VALUES)]


def refuse_to_send(types: Iterable[int]) -> None:
    """Raise UsageError when one of the values would stand where an unknown type is refused.

    "GREASE values MUST NOT be sent in the following fields": the type of a proposal or credential,
    and the types of a GroupContext's extensions.
    """
    if not set(types).isdisjoint(GREASE_VALUES):
        raise UsageError("a GREASE value means nothing and must not stand here")
