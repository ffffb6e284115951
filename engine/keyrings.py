"""The operating system's keyring: one key for each account, asked with a time limit.

Never takes a keyring that stores in the clear, and never waits for one that does not answer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

TIMEOUT_S: Final = 3.0
"""Longer than any keyring that is open takes; one that waits for a person is told to them."""

_SERVICE: Final = "Sotto"
_ENCRYPTED_PRIORITY: Final = 1
"""Backends below this priority store nothing, or store in the clear (keyring's own convention)."""


class KeyStore(Protocol):
    """What a lock needs of a keyring. Every method raises TimeoutError or LookupError."""

    def get(self, name: str) -> bytes:
        """Return the key under `name`; LookupError when there is none or no keyring."""

    def put(self, name: str, key: bytes) -> None:
        """Keep `key` under `name`, and read it back to be sure."""

    def delete(self, name: str) -> None:
        """Forget `name`, if it is there."""


class SystemKeyring:
    """The person's own keyring, whichever the system has. Blocking: never call it on the loop."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    def is_real(self) -> bool:
        """Tell whether there is one that encrypts, without asking it for anything."""
        try:
            return within(self._timeout_s, lambda: _backend() is not None)
        except (TimeoutError, LookupError):
            return False

    def get(self, name: str) -> bytes:
        """See KeyStore."""

        def ask() -> bytes:
            kept = _real_backend().get_password(_SERVICE, name)
            if kept is None:
                raise LookupError("the keyring has no key of this account")
            return bytes.fromhex(kept)

        return within(self._timeout_s, ask)

    def put(self, name: str, key: bytes) -> None:
        """See KeyStore."""

        def tell() -> str | None:
            backend = _real_backend()
            backend.set_password(_SERVICE, name, key.hex())
            return backend.get_password(_SERVICE, name)

        if within(self._timeout_s, tell) != key.hex():
            raise LookupError("the keyring does not keep what it is given")

    def delete(self, name: str) -> None:
        """See KeyStore."""
        within(self._timeout_s, lambda: _real_backend().delete_password(_SERVICE, name))


def within(timeout_s: float, ask: Callable[[], T]) -> T:
    """Return ask() from a thread of its own; raise TimeoutError when it takes longer.

    Whatever a keyring raises becomes LookupError: the backends share no exception. The thread is
    left behind in that case (a daemon: it does not hold up the end of the program).
    """
    answers: SimpleQueue[T | LookupError] = SimpleQueue()

    def work() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # noqa: BLE001 - the outermost frame of a foreign library's thread
            answers.put(LookupError(f"the keyring failed ({type(error).__name__})"))

    threading.Thread(target=work, name="keyring", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except Empty:
        raise TimeoutError("the keyring does not answer") from None
    if isinstance(answer, LookupError):
        raise answer
    return answer


def _real_backend() -> KeyringBackend:
    backend = _backend()
    if backend is None:
        raise LookupError("there is no keyring")
    return backend


def _backend() -> KeyringBackend | None:
    """The first backend that encrypts, in the order in which the library would try them."""
    import keyring  # slow to import, and only needed where a lock asks for it

    chosen = keyring.get_keyring()
    tried = getattr(chosen, "backends", [chosen])
    return next((b for b in tried if b.priority >= _ENCRYPTED_PRIORITY), None)
