"""A device about to exist: its key, certified under a new root or under one that a code opens.

Never keeps a root key: it goes out of reach with the recovery code that the person writes down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from crypto.certificates import check_root
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.identity import RootKey, RootKind, certify_device, certify_root, device_id
from crypto.recovery import new_recovery_code, open_root, seal_root
from engine.faults import from_peer
from wire.errors import Code, WireError
from wire.names import is_display_of
from wire.replies import AccountFound


@dataclass(frozen=True, slots=True)
class NewDevice:
    """`chain` is (device, root) in DER; under a new root also that root sealed, and its code."""

    signer: SigningKey = field(repr=False)
    chain: tuple[bytes, bytes] = field(repr=False)
    sealed_root: bytes | None = field(default=None, repr=False)
    recovery_code: str | None = field(default=None, repr=False)

    @property
    def id(self) -> bytes:
        """The device's name, 16 bytes."""
        return device_id(self.signer.public)


async def with_new_root(
    account: str, display: str, *, kind: RootKind, random: Callable[[int], bytes]
) -> NewDevice:
    """Return a device under a root made here; WireError(bad_name) if the names do not fit."""
    if not is_display_of(display, account):
        raise WireError(Code.BAD_NAME, "The relay shows an impossible name.")
    root = await asyncio.to_thread(RootKey.generate, kind)
    signer = SigningKey.generate(random)
    certificate = certify_root(root, account=account, display=display)
    chain = (certify_device(root, certificate, device_key=signer.public), certificate)
    code = new_recovery_code(random)
    return NewDevice(signer, chain, seal_root(code, account, root.to_bytes(), random=random), code)


def recovered(
    found: AccountFound, code: str | None, *, random: Callable[[int], bytes]
) -> NewDevice:
    """Return a device under the root that the relay keeps sealed and `code` opens.

    Raises WireError(bad_recovery_code), with `needed` when no code was given.
    """
    if not code:
        text = f"This device is new to {found.account}: its recovery code is needed."
        raise WireError(Code.BAD_RECOVERY_CODE, text, needed="recovery_code", account=found.account)
    try:
        holder = check_root(found.root_certificate)
        root = RootKey.from_bytes(open_root(code, found.account, found.sealed_root))
    except PeerError as error:
        if error.code == Code.BAD_RECOVERY_CODE:
            text = "The recovery code is not the one of this account. Nothing was changed."
            raise WireError(Code.BAD_RECOVERY_CODE, text) from None
        raise from_peer(error, what="The identity that the relay keeps") from None
    if root.identity != holder.identity or holder.account != found.account:
        text = "The relay keeps another identity than the recovery code opens."
        raise WireError(Code.BAD_RECOVERY_CODE, text)
    signer = SigningKey.generate(random)
    device = certify_device(root, found.root_certificate, device_key=signer.public)
    return NewDevice(signer, (device, found.root_certificate))
