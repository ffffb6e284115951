"""Who somebody is: an account's root key, the devices it certifies, and the check of a chain.

Never decides whom to trust and never reads a clock: it says what a chain proves, for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

from crypto import ed25519
from crypto.certificates import (
    MAX_CERTIFICATE_BYTES,
    check_device,
    check_root,
    device_key_of,
    encode_device,
    encode_root,
)
from crypto.errors import PeerError
from crypto.labels import Purpose, labelled
from crypto.root_key import RootKey, RootKind

__all__ = [
    "DEVICE_ID_BYTES",
    "MAX_CERTIFICATE_BYTES",
    "Identity",
    "RootKey",
    "RootKind",
    "certify_device",
    "certify_root",
    "device_id",
    "verify_chain",
]

DEVICE_ID_BYTES: Final = 16

# A member's chain is checked with every leaf that it stands in: one entry is about 2 KB.
_KEPT_CHAINS: Final = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """What a chain of certificates proves.

    `account` is the case-mapped name, `display` the name as typed: that the second maps to the
    first is for the caller to check (wire.names.canonical_name), since crypto knows no names.
    """

    account: str
    display: str
    root_identity: bytes  # 32: SHA-256 of the root's SubjectPublicKeyInfo
    root_kind: RootKind
    device_id: bytes  # 16
    device_key: bytes  # 32: Ed25519


def device_id(public_key: bytes) -> bytes:
    """The name, 16 bytes, of the device with this Ed25519 key of 32 bytes."""
    return sha256(labelled(Purpose.DEVICE_ID, public_key)).digest()[:DEVICE_ID_BYTES]


def certify_root(root: RootKey, *, account: str, display: str) -> bytes:
    """The account's self-signed root certificate, DER; the same bytes for the same arguments.

    Raises UsageError for names of fewer than 2 or more than 64 characters, or with controls.
    """
    return encode_root(root, account=account, display=display)


def certify_device(root: RootKey, root_certificate: bytes, *, device_key: bytes) -> bytes:
    """The certificate, DER, by which `root` makes the Ed25519 key of 32 bytes a device's.

    Raises UsageError when the certificate is not this root's own or the key is the root's,
    PeerError when the certificate or the key is bad.
    """
    ed25519.load_public(device_key)
    holder = check_root(root_certificate)
    return encode_device(root, holder, device_key=device_key, device_id=device_id(device_key))


def verify_chain(certificates: Sequence[bytes], *, device_key: bytes | None = None) -> Identity:
    """What the chain (device, root) proves; `device_key`, when given, must be the device's.

    Raises PeerError("bad_certificate"), or "bad_public_key" for an Ed25519 key of small order or
    in a second encoding. RFC 9420, section 5.3: the leaf's signature key is the first
    certificate's, and each certificate certifies the one before it.
    """
    if len(certificates) != 2:
        raise PeerError("bad_certificate", "a chain is a device's and a root's certificate")
    if any(len(certificate) > MAX_CERTIFICATE_BYTES for certificate in certificates):
        raise PeerError("bad_certificate", "too long")
    identity = _verified(bytes(certificates[0]), bytes(certificates[1]))
    if device_key is not None and device_key != identity.device_key:
        raise PeerError("bad_certificate", "the certificate is another key's")
    return identity


@lru_cache(maxsize=_KEPT_CHAINS)
def _verified(device: bytes, root: bytes) -> Identity:
    holder = check_root(root)
    key = device_key_of(device)
    number = device_id(key)
    check_device(device, holder, device_key=key, device_id=number)
    return Identity(
        account=holder.account,
        display=holder.display,
        root_identity=holder.identity,
        root_kind=holder.kind,
        device_id=number,
        device_key=key,
    )
