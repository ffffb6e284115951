"""A relay that lies as told: TLS and WebSocket are real, hello and answers are the test's.

Never part of the product: it holds no state and keeps no promise.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from crypto import labels
from crypto.ed25519 import SigningKey
from wire import codec, limits
from wire.link import Address, fingerprint
from wire.replies import RelayHello
from wire.requests import Hello, Request

Said = bytes | codec.Frame
RELAY_NONCE = bytes(range(32))


@dataclass
class Lies:
    """What the relay says; the defaults are the truth, and silence."""

    key: SigningKey = field(default_factory=lambda: SigningKey.from_seed(bytes(32)))
    hello: Callable[[RelayHello], Iterable[Said]] = lambda honest: (honest,)
    answer: Callable[[Request], Iterable[Said]] = lambda request: ()
    nonce: Callable[[bytes], bytes] = lambda nonce: nonce
    tls_hash: Callable[[bytes], bytes] = lambda tls_hash: tls_hash
    tls: Callable[[ssl.SSLContext], None] = lambda context: None
    message_type: WSMsgType = WSMsgType.BINARY
    heard: list[Request] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of its key."""
        return fingerprint(self.key.public)

    def true_hello(self, client_nonce: bytes, tls_hash: bytes) -> RelayHello:
        """What an honest relay would say on this connection, but for `nonce` and `tls_hash`."""
        parts = (self.nonce(client_nonce), RELAY_NONCE, self.tls_hash(tls_hash))
        signature = labels.sign(self.key, labels.Purpose.RELAY_HELLO, *parts)
        return RelayHello(limits.PROTOCOL_VERSION, self.key.public, RELAY_NONCE, signature)


class _Listener(WSListener):  # type: ignore[misc]
    def __init__(self, lies: Lies, tls_hash: bytes) -> None:
        self._lies = lies
        self._tls_hash = tls_hash

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        if frame.msg_type is not WSMsgType.BINARY:
            return
        request = codec.decode_request(frame.get_payload_as_bytes())
        lies = self._lies
        lies.heard.append(request)
        if isinstance(request, Hello):
            said = lies.hello(lies.true_hello(request.nonce, self._tls_hash))
        else:
            said = lies.answer(request)
        for one in said:
            data = one if isinstance(one, bytes) else codec.encode(one)
            transport.send(lies.message_type, data)


def make_certificate(folder: Path) -> tuple[Path, Path, bytes]:
    """Write a self-signed certificate and its key; return both paths and the hash of the key."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sotto")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(2090))
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(builder.sign(key, None).public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate, secret, hashlib.sha256(spki).digest()


@asynccontextmanager
async def lying_relay(lies: Lies, folder: Path) -> AsyncIterator[Address]:
    """Run it on a free port of loopback; yield where, without a fingerprint."""
    certificate, secret, tls_hash = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    lies.tls(context)

    def listener(request: WSUpgradeRequest) -> WSListener:
        return _Listener(lies, tls_hash)

    server = await ws_create_server(listener, "127.0.0.1", 0, ssl=context)
    try:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()
