"""The cipher suites that conversations use, and which one new conversations get.

Never any cryptography: crypto/mls/suite.py has the suites, these are their numbers there. Both have
SHA-256 and Ed25519: names of tree nodes, references of KeyPackages and the relay's Removes look
alike in both.
"""

from __future__ import annotations

from typing import Final

from wire.errors import Code, WireError
from wire.limits import MAX_GROUP_LEAVES

CLASSICAL: Final = 1  # X25519, AES-128-GCM, SHA-256, Ed25519 (RFC 9420, 17.1)
HYBRID: Final = 0xF07A  # ML-KEM-768 with X25519, AES-256-GCM, SHA-256, Ed25519; private use (17.1)

SUITES: Final = (HYBRID, CLASSICAL)  # the strongest first
DEFAULT_SUITE: Final = HYBRID

SUITE_NAMES: Final = {HYBRID: "hybrid", CLASSICAL: "classical"}
# A commit seals a secret to every leaf whose parents are blank, at the worst to all but one: in 83
# bytes each in the classical suite, in 1172 in the hybrid one. In a group where that did not fit a
# frame nobody could commit any more, not even the Removes that everybody waits for.
MAX_LEAVES: Final = {HYBRID: 1280, CLASSICAL: MAX_GROUP_LEAVES}

_NUMBERS: Final = {name: number for number, name in SUITE_NAMES.items()}


def strength_rank(number: int) -> int:
    """Return 0 for the strongest suite, and more for what is weaker or none of ours."""
    return SUITES.index(number) if number in SUITES else len(SUITES)


def suite_named(name: str) -> int:
    """Return the number of "hybrid" or "classical"; raise WireError(bad_request) otherwise."""
    try:
        return _NUMBERS[name]
    except KeyError:
        raise WireError(Code.BAD_REQUEST, "A suite is hybrid or classical.") from None
