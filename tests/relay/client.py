"""A client of the relay for tests: TLS, frames, log-in; nothing of the engine."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass, field
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from crypto.ed25519 import SigningKey
from crypto.identity import RootKey, certify_device, certify_root, device_id
from crypto.labels import Purpose, sign, verify
from wire import replies, requests
from wire.codec import decode_from_relay, encode
from wire.limits import PROTOCOL_VERSION

PASSWORD = "Tulpen-im-Mai-7"
WAIT_S = 20.0


@dataclass(frozen=True)
class Device:
    """An account's root and one device's key."""

    name: str
    root: RootKey
    key: SigningKey = field(default_factory=SigningKey.generate)

    @property
    def id(self) -> bytes:
        return device_id(self.key.public)

    @property
    def chain(self) -> tuple[bytes, ...]:
        root = certify_root(self.root, account=self.name.casefold(), display=self.name)
        return certify_device(self.root, root, device_key=self.key.public), root

    def another(self) -> Device:
        """A second device of the same account."""
        return Device(self.name, self.root)


def new_device(name: str) -> Device:
    return Device(name, RootKey.generate("ed25519"))


class Client(WSListener):
    """One connection. Answers are found by rid, pushes are kept in order."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: WSTransport | None = None
        self.frames: list[Any] = []
        self.closed = False
        self.close_code: int | None = None
        self.hello: replies.RelayHello | None = None
        self.nonce = os.urandom(32)
        self.spki_hash = bytes(32)
        self._rid = 0
        self._changed = asyncio.Event()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.BINARY:
            self.frames.append(decode_from_relay(frame.get_payload_as_bytes()))
        elif frame.msg_type == WSMsgType.CLOSE:
            self.close_code = int(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        self._changed.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = True
        self._changed.set()

    def send(self, frame: Any) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.BINARY, encode(frame))

    def rid(self) -> int:
        self._rid += 1
        return self._rid

    async def wait(self, find: Any, *, timeout_s: float = WAIT_S) -> Any:
        """Return what `find()` returns once it is not None; fail when the connection ends first."""
        async with asyncio.timeout(timeout_s):
            while (found := find()) is None:
                assert not self.closed, f"closed ({self.close_code}); had {self.frames[-3:]}"
                self._changed.clear()
                await self._changed.wait()
        return found

    async def wait_closed(self, *, timeout_s: float = WAIT_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not self.closed:
                self._changed.clear()
                await self._changed.wait()

    async def wait_closed_or(self, find: Any, *, timeout_s: float = WAIT_S) -> Any:
        """Return what `find()` returns once it is not None, or None when the connection ended."""
        async with asyncio.timeout(timeout_s):
            while (found := find()) is None and not self.closed:
                self._changed.clear()
                await self._changed.wait()
        return found

    async def answer(self, rid: int) -> Any:
        return await self.wait(lambda: self._answer(rid))

    def _answer(self, rid: int) -> Any:
        for index, frame in enumerate(self.frames):
            if isinstance(frame, replies.Accepted):
                for number, seq in frame.answers:
                    if number == rid:
                        return seq
            elif getattr(frame, "rid", None) == rid:
                return self.frames.pop(index)
        return None

    async def push(self, kind: type, **fields: Any) -> Any:
        """Wait for a push, take it and return it."""

        def find() -> Any:
            for index, frame in enumerate(self.frames):
                if isinstance(frame, kind) and all(
                    getattr(frame, k) == v for k, v in fields.items()
                ):
                    return self.frames.pop(index)
            return None

        return await self.wait(find)

    async def ask(self, kind: Any, *arguments: Any, **named: Any) -> Any:
        """Send a request and return its answer."""
        rid = self.rid()
        self.send(kind(rid, *arguments, **named))
        return await self.answer(rid)

    async def greet(self) -> replies.RelayHello:
        self.send(requests.Hello(PROTOCOL_VERSION, self.nonce))
        hello = await self.push(replies.RelayHello)
        verify(
            hello.relay_key,
            Purpose.RELAY_HELLO,
            hello.signature,
            self.nonce,
            hello.nonce,
            self.spki_hash,
        )
        self.hello = hello
        return hello

    def proof(self, device: Device) -> bytes:
        assert self.hello is not None
        parts = (self.nonce, self.hello.nonce, self.hello.relay_key, self.spki_hash)
        account = device.name.casefold().encode()
        return sign(device.key, Purpose.DEVICE_PROOF, *parts, account, device.id)

    async def register(self, device: Device, **more: Any) -> Any:
        fields = {"email": None, "password": PASSWORD, "admin_code": None} | more
        return await self.ask(
            requests.Register,
            name=device.name,
            chain=device.chain,
            sealed_root=b"sealed",
            proof=self.proof(device),
            **fields,
        )

    async def resume(self, device: Device) -> Any:
        proof = self.proof(device)
        return await self.ask(requests.Resume, device.name.casefold(), device.id, proof)

    async def log_in(
        self, name: str, device: Device | None = None, password: str = PASSWORD
    ) -> Any:
        known = (None, None) if device is None else (device.id, self.proof(device))
        return await self.ask(requests.Login, name, password, *known)

    def close(self) -> None:
        if self.transport is not None and not self.closed:
            self.transport.disconnect()


def context() -> ssl.SSLContext:
    """Any certificate: the relay's identity key is what counts."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


async def connect(port: int, *, tls: bool = True, greet: bool = True, **options: Any) -> Client:
    """Return a client connected to a relay on this machine, after the hello."""
    url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/"
    ssl_context = context() if tls else None
    _, client = await ws_connect(Client, url, ssl_context=ssl_context, **options)
    assert isinstance(client, Client)
    assert client.transport is not None
    if tls:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        info = client.transport.underlying_transport.get_extra_info("ssl_object")
        certificate = x509.load_der_x509_certificate(info.getpeercert(True))
        spki = certificate.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        client.spki_hash = hashlib.sha256(spki).digest()
    if greet:
        await client.greet()
    return client
