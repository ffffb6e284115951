"""The one form that root and device certificates have (RFC 5280, RFC 8410), written and checked.

Never interprets a received certificate: it reads three fields, encodes the certificate that ought
to hold them, and refuses what differs in a single byte. So every extension, flag, date and
algorithm is exact, and none needs a rule of its own. No clock: the dates are constants.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from crypto import der
from crypto.errors import PeerError, UsageError
from crypto.root_key import (
    RootKey,
    RootKind,
    ed25519_spki,
    read_ed25519_spki,
    root_kind,
    verify_certificate,
)

MAX_CERTIFICATE_BYTES: Final = 4096
MIN_NAME_CHARS: Final = 2
MAX_NAME_CHARS: Final = 64  # X.520 gives a common name no more

_VERSION_3: Final = der.context(0, der.integer(2))
_ALGORITHMS: Final[dict[RootKind, bytes]] = {
    "ed25519": der.encode(der.SEQUENCE, der.oid("1.3.101.112")),
    "rsa": der.encode(der.SEQUENCE, der.oid("1.2.840.113549.1.1.11"), der.NULL),
}
_USER_ID: Final = der.oid("0.9.2342.19200300.100.1.1")
_COMMON_NAME: Final = der.oid("2.5.4.3")
_SERIAL_NUMBER: Final = der.oid("2.5.4.5")
# A device is removed by the group, a root by its owner: neither by a date that a clock decides.
_VALIDITY: Final = der.encode(
    der.SEQUENCE,
    der.encode(der.UTC_TIME, b"200101000000Z"),
    der.encode(der.GENERALIZED_TIME, b"99991231235959Z"),
)


@dataclass(frozen=True, slots=True)
class Root:
    """What a checked root certificate says."""

    account: str
    display: str
    spki: bytes
    identity: bytes  # SHA-256 of spki
    kind: RootKind


def encode_root(root: RootKey, *, account: str, display: str) -> bytes:
    """The self-signed root certificate, DER; raises UsageError for impossible names."""
    if not (is_name(account) and is_name(display)):
        raise UsageError("a name in a certificate has 2 to 64 characters, none of them control")
    holder = Root(account, display, root.spki, root.identity, root.kind)
    return _signed(root, _root_tbs(holder))


def encode_device(root: RootKey, holder: Root, *, device_key: bytes, device_id: bytes) -> bytes:
    """The certificate of a device key (Ed25519, 32 bytes) under `root`, DER.

    Raises UsageError when `holder` is another root's, or the device's key is the root's own.
    """
    if holder.spki != root.spki:
        raise UsageError("the root certificate is another key's")
    if ed25519_spki(device_key) == root.spki:
        raise UsageError("a device has a key of its own")
    return _signed(root, _device_tbs(holder, device_key, device_id))


@lru_cache(maxsize=1024)
def check_root(certificate: bytes) -> Root:
    """What a root certificate says, after every check.

    Raises PeerError("bad_certificate"), or "bad_public_key" for a weak key.
    """
    tbs, signature, fields = _split(certificate)
    account, display = _names(fields.inside(der.SEQUENCE))
    spki = fields.element(der.SEQUENCE)
    holder = Root(account, display, spki, sha256(spki).digest(), root_kind(spki))
    _require_exact(certificate, tbs, expected_tbs=_root_tbs(holder), holder=holder, by=signature)
    return holder


def device_key_of(certificate: bytes) -> bytes:
    """The key, 32 bytes, in a device certificate that is not checked yet, but for this key.

    Raises PeerError("bad_certificate"), or "bad_public_key" for a weak key.
    """
    _, _, fields = _split(certificate)
    fields.element(der.SEQUENCE)
    return read_ed25519_spki(fields.element(der.SEQUENCE))


def check_device(certificate: bytes, holder: Root, *, device_key: bytes, device_id: bytes) -> None:
    """Refuse anything but the certificate that `holder` would give to this device.

    Raises PeerError("bad_certificate").
    """
    if ed25519_spki(device_key) == holder.spki:
        raise PeerError("bad_certificate", "the device's key is the root's")
    tbs, signature, _ = _split(certificate)
    expected_tbs = _device_tbs(holder, device_key, device_id)
    _require_exact(certificate, tbs, expected_tbs=expected_tbs, holder=holder, by=signature)


def is_name(name: str) -> bool:
    """Whether `name` may stand in a certificate: sizes, no control characters, no space.

    Nothing here depends on a Unicode version: all members of a group must come to one verdict.
    Whether it is a name that Sotto gives is for wire.names to say.
    """
    return MIN_NAME_CHARS <= len(name) <= MAX_NAME_CHARS and not any(
        character <= " " or "\x7f" <= character <= "\xa0" or "\ud800" <= character <= "\udfff"
        for character in name
    )


def _signed(root: RootKey, tbs: bytes) -> bytes:
    return _assemble(tbs, root.kind, root.sign_certificate(tbs))


def _assemble(tbs: bytes, kind: RootKind, signature: bytes) -> bytes:
    return der.encode(der.SEQUENCE, tbs, _ALGORITHMS[kind], der.bit_string(signature))


def _require_exact(
    certificate: bytes, tbs: bytes, *, expected_tbs: bytes, holder: Root, by: bytes
) -> None:
    """Both halves of the strict profile: the bytes are ours, and the root has signed them."""
    if tbs != expected_tbs or certificate != _assemble(tbs, holder.kind, by):
        raise PeerError("bad_certificate", "it differs from the one form that its fields have")
    verify_certificate(holder.spki, tbs, by)


def _split(certificate: bytes) -> tuple[bytes, bytes, der.Reader]:
    """The signed bytes, the signature, and a reader that stands before the subject."""
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise PeerError("bad_certificate", "too long")
    whole = der.Reader(certificate)
    parts = whole.inside(der.SEQUENCE)
    whole.done()
    tbs = parts.element(der.SEQUENCE)
    parts.element(der.SEQUENCE)
    signature = parts.content(der.BIT_STRING)[1:]
    parts.done()
    fields = der.Reader(tbs).inside(der.SEQUENCE)
    for tag in (0xA0, der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE):
        fields.element(tag)
    return tbs, signature, fields


def _names(subject: der.Reader) -> tuple[str, str]:
    account, display = _attribute_text(subject), _attribute_text(subject)
    if not (is_name(account) and is_name(display)):
        raise PeerError("bad_certificate", "a name is too short, too long or unprintable")
    return account, display


def _attribute_text(subject: der.Reader) -> str:
    attribute = subject.inside(der.SET).inside(der.SEQUENCE)
    attribute.element(der.OBJECT_IDENTIFIER)
    try:
        return attribute.content(der.UTF8_STRING).decode()
    except UnicodeDecodeError:
        raise PeerError("bad_certificate", "a name is not UTF-8") from None


def _root_tbs(holder: Root) -> bytes:
    name = _distinguished_name(holder)
    extensions = (
        # pathLenConstraint 0: a root certifies devices, a device nobody.
        _extension("2.5.29.19", der.BOOLEAN_TRUE, der.integer(0), critical=True),
        _key_usage(0x04, unused_bits=2),  # keyCertSign
        _subject_alternative_name(f"sotto:{quote(holder.account, safe='')}"),
        _subject_key_identifier(holder.identity),
    )
    serial = int.from_bytes(holder.identity[:16], "big")
    return _tbs(holder, serial, subject=name, spki=holder.spki, extensions=extensions)


def _device_tbs(holder: Root, device_key: bytes, device_id: bytes) -> bytes:
    number = _attribute(_SERIAL_NUMBER, der.PRINTABLE_STRING, device_id.hex().encode())
    spki = ed25519_spki(device_key)
    uri = f"sotto:{quote(holder.account, safe='')}/{device_id.hex()}"
    extensions = (
        _extension("2.5.29.19", critical=True),  # cA FALSE is the default, so it is left out
        _key_usage(0x80, unused_bits=7),  # digitalSignature
        _subject_alternative_name(uri),
        _subject_key_identifier(sha256(spki).digest()),
        _extension("2.5.29.35", der.encode(0x80, holder.identity)),
    )
    return _tbs(
        holder,
        int.from_bytes(device_id, "big"),
        subject=_distinguished_name(holder, number),
        spki=spki,
        extensions=extensions,
    )


def _tbs(
    issuer: Root, serial: int, *, subject: bytes, spki: bytes, extensions: tuple[bytes, ...]
) -> bytes:
    return der.encode(
        der.SEQUENCE,
        _VERSION_3,
        der.integer(serial),
        _ALGORITHMS[issuer.kind],
        _distinguished_name(issuer),
        _VALIDITY,
        subject,
        spki,
        der.context(3, der.encode(der.SEQUENCE, *extensions)),
    )


def _distinguished_name(holder: Root, *more: bytes) -> bytes:
    return der.encode(
        der.SEQUENCE,
        _attribute(_USER_ID, der.UTF8_STRING, holder.account.encode()),
        _attribute(_COMMON_NAME, der.UTF8_STRING, holder.display.encode()),
        *more,
    )


def _attribute(kind: bytes, tag: int, value: bytes) -> bytes:
    return der.encode(der.SET, der.encode(der.SEQUENCE, kind, der.encode(tag, value)))


def _extension(kind: str, *content: bytes, critical: bool = False) -> bytes:
    """An extension whose value is a SEQUENCE of `content`."""
    return _wrapped(kind, der.encode(der.SEQUENCE, *content), critical=critical)


def _key_usage(bits: int, *, unused_bits: int) -> bytes:
    return _wrapped("2.5.29.15", der.bit_string(bytes((bits,)), unused_bits), critical=True)


def _subject_alternative_name(uri: str) -> bytes:
    return _extension("2.5.29.17", der.encode(0x86, uri.encode("ascii")))


def _subject_key_identifier(key_hash: bytes) -> bytes:
    return _wrapped("2.5.29.14", der.encode(der.OCTET_STRING, key_hash), critical=False)


def _wrapped(kind: str, value: bytes, *, critical: bool) -> bytes:
    flag = der.BOOLEAN_TRUE if critical else b""
    return der.encode(der.SEQUENCE, der.oid(kind), flag, der.encode(der.OCTET_STRING, value))
