"""The two faults that cryptographic code tells apart: our caller's and the peer's.

Never carries a key, a plaintext, or digits of either: a code and a fixed text only.
"""


class UsageError(ValueError):
    """Our own caller asked for something that makes no sense."""


class PeerError(Exception):
    """What was received is not acceptable.

    `code` is stable and short (snake_case, or a rule id such as ``VAL-12.2-3``); `str(error)` adds
    a fixed explanation. Neither ever holds bytes from outside.
    """

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
