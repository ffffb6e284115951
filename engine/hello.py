"""The relay's hello: who it is, bound to the TLS channel that it came on.

Never trusts a certificate for more than its key, and never sends anything.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from picows import WSTransport

from crypto import labels
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from wire import limits
from wire.errors import Code, WireError
from wire.link import fingerprint
from wire.replies import RelayHello


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties a device's proof to this one connection."""

    client_nonce: bytes
    relay_nonce: bytes
    relay_key: bytes
    tls_hash: bytes

    def proof(self, signer: SigningKey, *, account: str, device: bytes) -> bytes:
        """Return the device's signature, 64 bytes, over all of it."""
        parts = (self.client_nonce, self.relay_nonce, self.relay_key, self.tls_hash)
        return labels.sign(signer, labels.Purpose.DEVICE_PROOF, *parts, account.encode(), device)


def check_hello(
    hello: RelayHello, *, client_nonce: bytes, tls_hash: bytes, pin: str | None
) -> Binding:
    """Return the binding of a connection whose relay has proved itself.

    Raises WireError: not_sotto for another version, untrusted_relay (with `expected` and `shown`)
    for a bad signature or another relay than `pin`.
    """
    if hello.version != limits.PROTOCOL_VERSION:
        text = f"The relay speaks version {hello.version}, this client {limits.PROTOCOL_VERSION}."
        raise WireError(Code.NOT_SOTTO, f"{text} Update the older one.")
    shown = fingerprint(hello.relay_key)
    parts = (client_nonce, hello.nonce, tls_hash)
    try:
        labels.verify(hello.relay_key, labels.Purpose.RELAY_HELLO, hello.signature, *parts)
    except PeerError:
        text = "The relay cannot prove who it is on this line: somebody may sit in between."
        raise WireError(Code.UNTRUSTED_RELAY, text, expected=pin, shown=shown) from None
    if pin is not None and pin != shown:
        text = "The relay has another key than before. Nothing was sent."
        raise WireError(Code.UNTRUSTED_RELAY, text, expected=pin, shown=shown)
    return Binding(client_nonce, hello.nonce, hello.relay_key, tls_hash)


def tls_key_hash(transport: WSTransport) -> bytes:
    """Return SHA-256 of the SubjectPublicKeyInfo that the relay proved in the TLS handshake.

    Raises WireError(not_sotto) for a certificate that cannot be read.
    """
    channel = transport.underlying_transport.get_extra_info("ssl_object")
    certificate = channel.getpeercert(binary_form=True) if channel is not None else None
    try:
        key = load_der_x509_certificate(certificate or b"").public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except ValueError:
        raise WireError(Code.NOT_SOTTO, "The relay's certificate cannot be read.") from None
    return hashlib.sha256(spki).digest()
