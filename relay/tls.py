"""The relay's TLS side: TLS 1.3 only, a certificate made at the first start or the operator's own.

Never what clients trust: they pin the relay's identity key, which signs the hash of this key.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from relay import datafolder
from relay.errors import StartError

NO_TLS_SPKI_HASH: Final = bytes(32)  # what an --insecure relay signs
_VALID_DAYS: Final = 20 * 365  # nobody checks it: the pin decides
_WARN_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """`context` is None without TLS; `spki_hash` is SHA-256 of the key's SubjectPublicKeyInfo.

    `ends_at_s`: when the certificate does, since 1970.
    """

    context: ssl.SSLContext | None
    spki_hash: bytes
    ends_at_s: float = float("inf")


def load(certificate: Path, key: Path) -> TlsIdentity:
    """Return the TLS identity of PEM files; raise StartError for what cannot be used."""
    _check_key_file(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # clients connect once and stay: a ticket is two writes for nothing
    try:
        context.load_cert_chain(certificate, key)
        pem = certificate.read_bytes()
        return TlsIdentity(context, _spki_hash(pem), _end(pem).timestamp())
    except (OSError, ssl.SSLError, ValueError) as error:
        raise StartError(f"Cannot use {certificate} and {key}: {error}") from None


def load_or_make(folder: Path, *, now: Callable[[], datetime.datetime]) -> TlsIdentity:
    """Return the folder's own identity, making its self-signed certificate the first time."""
    certificate = folder / datafolder.CERTIFICATE_FILE
    key = folder / datafolder.CERTIFICATE_KEY_FILE
    if not (certificate.exists() and key.exists()):
        certificate_pem, key_pem = _make(now())
        datafolder.write_file(key, key_pem)
        datafolder.write_file(certificate, certificate_pem)
    return load(certificate, key)


def expiry_warning(certificate: Path, now: datetime.datetime) -> str | None:
    """Return a line when an operator's own certificate is about to end, or has."""
    end = _end(certificate.read_bytes())
    days = (end - now).days
    if days < 0:
        return f"The certificate {certificate} ended on {end:%Y-%m-%d}: renew it."
    if days < _WARN_DAYS:
        return f"The certificate {certificate} ends in {days} days: renew it."
    return None


def _check_key_file(key: Path) -> None:
    try:
        found = key.stat()
    except OSError as error:
        raise StartError(f"Cannot read {key}: {error.strerror}.") from None
    if found.st_mode & 0o007 or found.st_uid not in (os.geteuid(), 0):
        raise StartError(f"Others can read the TLS key: chmod 600 {key}")


def _end(pem: bytes) -> datetime.datetime:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def _spki_hash(pem: bytes) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = x509.load_pem_x509_certificate(pem).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()


def _make(now: datetime.datetime) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Sotto relay")])
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key_pem
