"""One connection to a relay: TLS 1.3, a WebSocket, its hello checked, requests matched to answers.

Never trusts a certificate authority or a name: the relay is who its identity key says, bound to
this TLS channel. Never queues without bound, and never goes on after a frame that should not be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from crypto.ed25519 import SigningKey
from engine.answers import EXPECTED, failed_error
from engine.hello import Binding, check_hello, tls_key_hash
from wire import codec, limits
from wire.errors import Code, WireError
from wire.link import fingerprint
from wire.pushes import Ended, Push
from wire.replies import Accepted, Failed, RelayHello, Reply
from wire.requests import Append, Hello, Request

MAX_UNANSWERED: Final = 256  # requests on their way at once; more wait here
COMMIT_TIMEOUT_S: Final = 600.0  # commits wait for their turn at the relay, however long the line
_CLOSE_WAIT_S: Final = 2.0


@dataclass(slots=True)
class _Waiting:
    answer: asyncio.Future[Reply]
    expected: tuple[type, ...]
    timer: asyncio.TimerHandle = field(repr=False)


class Connection(WSListener):
    """One connection after another's end is never reused: make a new one with `open_connection`.

    `on_push` is called from the event loop with each push in order; it must not block.
    """

    def __init__(self, on_push: Callable[[Push], None]) -> None:
        self._on_push = on_push
        self._transport: WSTransport | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._next_rid = 0
        self._places = asyncio.Semaphore(MAX_UNANSWERED)
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._hello: asyncio.Future[RelayHello] = asyncio.get_running_loop().create_future()
        self._closed = asyncio.Event()
        self._fault: WireError | None = None
        self.ended: Ended | None = None  # what the relay said when it ended the connection
        self.binding: Binding | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self.binding is not None and not self._closed.is_set() and self._fault is None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the relay's identity key, once the hello was checked."""
        return fingerprint(self._bound().relay_key)

    @property
    def relay_key(self) -> bytes:
        """The relay's identity key, 32 bytes."""
        return self._bound().relay_key

    @property
    def greeting(self) -> str:
        """What the relay's operator says to everybody; not trusted."""
        return self._hello.result().greeting if self._hello.done() else ""

    def proof(self, signer: SigningKey, *, account: str, device: bytes) -> bytes:
        """Return the device's proof for this connection, 64 bytes."""
        return self._bound().proof(signer, account=account, device=device)

    def _bound(self) -> Binding:
        if self.binding is None:
            raise WireError(Code.NOT_CONNECTED, "There is no connection to the relay.")
        return self.binding

    async def request(self, frame: Request, *, timeout_s: float | None = None) -> Reply:
        """Send `frame` under a rid of our choice and return its answer (never a Failed).

        Raises WireError: the relay's own code, not_connected when the connection ends first,
        timeout (the connection is then ended: its later answers could not be told apart).
        """
        if timeout_s is None:
            waits = isinstance(frame, Append) and frame.commit is not None
            timeout_s = COMMIT_TIMEOUT_S if waits else limits.REQUEST_TIMEOUT_S
        async with self._places:
            await self._may_write.wait()
            waiting = self._post(frame, timeout_s)
            reply = await waiting.answer
        if isinstance(reply, Failed):
            raise failed_error(reply)
        return reply

    def _post(self, frame: Request, timeout_s: float) -> _Waiting:
        if not self.is_open or self._transport is None:
            raise self._fault or WireError(Code.NOT_CONNECTED, "The connection to the relay ended.")
        rid = self._next_rid
        data = codec.encode(msgspec.structs.replace(frame, rid=rid))
        self._next_rid = (rid + 1) % (1 << 32)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(timeout_s, self._expire)
        waiting = _Waiting(loop.create_future(), EXPECTED[type(frame)], timer)
        self._waiting[rid] = waiting
        self._transport.send(WSMsgType.BINARY, data)
        return waiting

    def _expire(self) -> None:
        self.fail(WireError(Code.TIMEOUT, "The relay did not answer in time."))

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport to write to."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame; anything but a whole binary message or a close ends the connection."""
        if self._fault is not None:
            return
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        if frame.msg_type in (WSMsgType.PING, WSMsgType.PONG):
            return
        try:
            if frame.msg_type is not WSMsgType.BINARY or not frame.fin or frame.rsv1:
                raise WireError(Code.NOT_SOTTO, "The relay sent a frame that Sotto does not use.")
            self._take(codec.decode_from_relay(frame.get_payload_as_bytes()))
        except WireError as error:
            self.fail(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell everybody who waits."""
        self.fail(WireError(Code.NOT_CONNECTED, "The connection to the relay ended."))
        self._closed.set()

    def pause_writing(self) -> None:
        """The socket is full: hold requests back."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._may_write.set()

    def _take(self, frame: Reply | Push) -> None:
        if not self._hello.done():
            if not isinstance(frame, RelayHello):
                raise WireError(Code.NOT_SOTTO, "The answer is not a relay's hello.")
            self._hello.set_result(frame)
        elif isinstance(frame, Accepted):
            for rid, seq in frame.answers:
                self._answer(rid, Accepted(((rid, seq),)))
        elif isinstance(frame, RelayHello) or self.binding is None:
            raise WireError(Code.NOT_SOTTO, "The relay spoke out of turn.")
        elif isinstance(frame, Ended):
            self.ended = frame
        elif isinstance(frame, Push):
            self._on_push(frame)
        else:
            self._answer(frame.rid, frame)

    def _answer(self, rid: int, reply: Reply) -> None:
        waiting = self._waiting.get(rid)
        if waiting is None:
            raise WireError(Code.BAD_REQUEST, "The relay answered what nobody asked.")
        if not isinstance(reply, (Failed, *waiting.expected)):
            raise WireError(Code.BAD_REQUEST, "The relay's answer does not fit the question.")
        del self._waiting[rid]
        waiting.timer.cancel()
        if not waiting.answer.done():  # the caller may have been cancelled
            waiting.answer.set_result(reply)

    # The hello.

    async def greet(self, *, pin: str | None, random: Callable[[int], bytes]) -> None:
        """Exchange hellos; `pin` is the fingerprint to expect, or None at first contact.

        Raises WireError not_sotto or untrusted_relay unless the relay proves itself.
        """
        assert self._transport is not None
        tls_hash = tls_key_hash(self._transport)
        nonce = random(limits.NONCE_BYTES)
        hello = Hello(limits.PROTOCOL_VERSION, nonce)
        self._transport.send(WSMsgType.BINARY, codec.encode(hello))
        answer = await self._hello
        self.binding = check_hello(answer, client_nonce=nonce, tls_hash=tls_hash, pin=pin)

    # The end.

    def fail(self, error: WireError) -> None:
        """End the connection; everybody who waits gets `error`, only the first one counts."""
        if self._fault is None:
            self._fault = error
        for waiting in self._waiting.values():
            waiting.timer.cancel()
            if not waiting.answer.done():
                waiting.answer.set_exception(self._fault)
                waiting.answer.exception()  # not every caller still listens
        self._waiting.clear()
        if not self._hello.done():
            self._hello.set_exception(self._fault)
            self._hello.exception()
        self._may_write.set()
        if self._transport is not None:
            self._transport.disconnect()

    async def close(self) -> None:
        """End the connection and wait a moment until it is gone."""
        self.fail(WireError(Code.NOT_CONNECTED, "The connection was closed."))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WAIT_S):
                await self._closed.wait()

    async def wait_closed(self) -> WireError:
        """Wait until the connection is gone; return why."""
        await self._closed.wait()
        assert self._fault is not None
        return self._fault
