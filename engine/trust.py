"""Which relay is the right one: from a link, what was typed, an earlier visit, or this machine.

Never accepts an unknown relay unless the person (or script) said "tofu", and never another relay in
the place of a known one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from engine.dial import open_connection
from engine.link import Connection
from wire.errors import Code, WireError
from wire.link import Address, parse_fingerprint
from wire.pushes import Push

TOFU: Final = "tofu"
_FINGERPRINT_FILE: Final = "fingerprint"  # written by the relay into its data folder
_MAX_FILE_BYTES: Final = 256


def local_fingerprints(folders: Iterable[Path] | None = None) -> tuple[str, ...]:
    """Return the fingerprints of the relays whose data folders are this user's, in usual places."""
    found = (_read(folder / _FINGERPRINT_FILE) for folder in folders or _usual_folders())
    return tuple(dict.fromkeys(value for value in found if value is not None))


def _usual_folders() -> list[Path]:
    told = os.environ.get("SOTTO_DATA")
    usual = [Path(".sotto") / "relay", user_data_path("sotto", appauthor=False) / "relay"]
    return [Path(told), *usual] if told else usual


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return parse_fingerprint(file.read(_MAX_FILE_BYTES).decode("ascii"))
    except (OSError, UnicodeDecodeError, WireError):
        return None


def allowed(
    address: Address, *, trust: str | None, known: str | None, local: Callable[[], tuple[str, ...]]
) -> tuple[str, ...] | None:
    """Return the fingerprints that the relay may have; None: any (first contact, tofu).

    `trust` is "tofu", a fingerprint or None; `known` the fingerprint of an earlier visit. An empty
    answer means that nobody said which relay it is. Raises untrusted_relay when what is said now
    contradicts what is known, bad_request for no fingerprint.
    """
    told = parse_fingerprint(trust) if trust not in (None, "", TOFU) and trust else None
    said = told or address.fingerprint
    if told and address.fingerprint and told != address.fingerprint:
        raise _contradiction(address, expected=address.fingerprint, shown=told)
    if known is not None:
        if said is not None and said != known:
            raise _contradiction(address, expected=known, shown=said)
        return (known,)
    if said is not None:
        return (said,)
    if trust == TOFU:
        return None
    return local() if address.is_loopback else ()


class Refusals:
    """Which relay was refused last, as it showed itself: what a person may then decide to trust."""

    def __init__(self) -> None:
        self._last: tuple[Address, str] | None = None

    def note(self, address: Address, error: WireError) -> None:
        """Remember a refusal, if `error` is one."""
        shown = error.data.get("shown")
        if error.code is Code.UNTRUSTED_RELAY and isinstance(shown, str):
            self._last = (address, shown)

    def address_of(self, fingerprint: str) -> Address:
        """Return where a relay with that fingerprint was refused last; WireError(bad_request)."""
        if self._last is None or self._last[1] != fingerprint:
            raise WireError(Code.BAD_REQUEST, "No relay with that fingerprint was refused here.")
        return self._last[0]

    def check_replacement(self, wanted: str, *, replaces: str | None, known: str | None) -> None:
        """Refuse to pin `wanted` unless the person has seen what it takes the place of.

        Either `replaces` names the pinned fingerprint, or `wanted` was just refused, both shown.
        """
        if replaces is None:
            self.address_of(wanted)
        elif parse_fingerprint(replaces) != known:
            raise WireError(Code.BAD_REQUEST, "The fingerprint to replace is not the known one.")


async def dial_allowed(
    address: Address,
    *,
    fingerprints: tuple[str, ...] | None,
    on_push: Callable[[Push], None],
    random: Callable[[int], bytes],
) -> Connection:
    """Return a connection to one of these relays; raise WireError as `open_connection` does."""
    pin = fingerprints[0] if fingerprints and len(fingerprints) == 1 else None
    connection = await open_connection(address, pin=pin, on_push=on_push, random=random)
    if fingerprints is None or connection.fingerprint in fingerprints:
        return connection
    shown = connection.fingerprint
    await connection.close()
    if not fingerprints:
        text = f"Nobody said yet that the relay at {address.server} is the right one."
        raise WireError(Code.UNTRUSTED_RELAY, text, expected=None, shown=shown)
    raise _contradiction(address, expected=fingerprints[0], shown=shown)


def _contradiction(address: Address, *, expected: str, shown: str) -> WireError:
    text = f"The relay at {address.server} has another key than expected. Nothing was sent."
    return WireError(Code.UNTRUSTED_RELAY, text, expected=expected, shown=shown)
