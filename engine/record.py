"""What an account's store remembers of itself: its relay, its device's key, and how far it came.

Never shown: the seed of the device's key stands in it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError, UsageError
from crypto.identity import verify_chain
from engine.context import DeviceKeys
from storage.client.settings import get_setting, put_setting
from wire.errors import Code, WireError
from wire.replies import LoggedIn

_KEY: Final = "account"


class AccountRecord(Struct, frozen=True, array_like=True):
    """`server` is HOST:PORT; `fingerprint` and `relay_key` (32 bytes) are the pinned relay's.

    `is_pending`: the relay's answer to the registration or enrolment has not been seen yet; until
    then `recovery_code` stands here, so that it can still be shown.
    """

    server: str
    fingerprint: str
    relay_key: bytes
    seed: bytes
    chain: tuple[bytes, bytes]
    is_pending: bool = False
    recovery_code: str | None = None
    is_admin: bool = False

    def __repr__(self) -> str:
        return "AccountRecord(...)"

    def keys(self) -> DeviceKeys:
        """Return the device's keys; raise WireError(store_damaged) when they do not fit."""
        try:
            signer = SigningKey.from_seed(self.seed)
            identity = verify_chain(self.chain, device_key=signer.public)
        except (PeerError, UsageError):
            raise _damaged() from None
        return DeviceKeys(
            identity.account,
            identity.display,
            identity.root_identity,
            device=identity.device_id,
            signer=signer,
            chain=self.chain,
        )


_decoder = msgspec.msgpack.Decoder(AccountRecord)


def put_record(connection: Any, record: AccountRecord) -> None:
    """Store the record in the caller's transaction."""
    put_setting(connection, _KEY, msgspec.msgpack.encode(record))


def get_record(connection: Any) -> AccountRecord:
    """Return the record; raise WireError(store_damaged) when there is none."""
    raw = get_setting(connection, _KEY)
    if raw is None:
        raise _damaged()
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError:
        raise _damaged() from None


def _damaged() -> WireError:
    text = "This account's store is incomplete. Log in anew with the recovery code."
    return WireError(Code.STORE_DAMAGED, text)


def check_own(answer: LoggedIn, *, account: str, device: bytes) -> None:
    """Refuse a log-in under another name or device than was proved."""
    if (answer.account, answer.device) != (account, device):
        text = "The relay logged this device in as somebody else. Nothing was sent."
        raise WireError(Code.UNTRUSTED_RELAY, text, expected=account, shown=answer.account)
