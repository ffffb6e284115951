"""What the checks of official vectors share: how a format is told, and how its fields are read.

Never reads a file: tests/mls_vectors.py does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crypto.mls.suite import Suite

Case = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A format by the fields that only its cases have; `check` returns nothing or fails."""

    name: str
    fields: frozenset[str]
    check: Callable[[Case], None]

    def holds(self, case: Mapping[str, Any]) -> bool:
        """Whether a case is of this format; it may lack other fields, and have more."""
        return self.fields <= case.keys()


def format_of(name: str, fields: str, check: Callable[[Case], None]) -> Format:
    """A format whose fields stand in one string, apart by spaces."""
    return Format(name, frozenset(fields.split()), check)


def private_key(suite: Suite, given: str) -> bytes:
    """A private key of a case, whole: some generators leave out the leading zeros of a number."""
    return bytes.fromhex(given).rjust(suite.hpke.kem.private_length, b"\x00")
