"""What flags, files and the environment answered already; both terminal faces ask the rest.

Never holds an answer longer than the face that was started with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Options:
    """None is asked for."""

    server: str | None = None
    trust: str | None = None
    identity: Literal["ed25519", "rsa"] = "ed25519"
    name: str | None = None
    email: str | None = None
    password: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    admin_code: str | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)
