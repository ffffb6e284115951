"""The one exception that every store raises when the disk, not the caller, is at fault.

Never holds a row, a key or a path: a code that the room above maps, and a fixed line for a person.
"""

from __future__ import annotations

from typing import Final

DISK_FULL: Final = "disk_full"
STORE_DAMAGED: Final = "store_damaged"
PROFILE_IN_USE: Final = "profile_in_use"
UNAVAILABLE: Final = "unavailable"


class StoreError(Exception):
    """The store could not do what was asked; nothing of the transaction was kept.

    `code` is one of the constants of this module (they are also wire error codes); `text` says in
    one line what went wrong and what to do next.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    def __repr__(self) -> str:
        return f"StoreError({self.code!r}, {self.text!r})"
