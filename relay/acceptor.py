"""Taking connections in: accept, look at the first byte, TLS; with deadlines and bounds.

Never spends TLS work or memory on a connection that says nothing, and never lets a flood of new
connections keep the loop from those that it has.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final

import aiofastnet

from relay import logs
from relay.arrival import Arrival
from relay.http import plain_answer
from relay.metrics import Metrics
from relay.strangers import Strangers
from relay.throttle import Rate, Throttle
from relay.tls import TlsIdentity
from wire.limits import HANDSHAKE_TIMEOUT_S

BACKLOG: Final = 4096
ACCEPTS_PER_TURN: Final = 64
CONNECT_RATE: Final = Rate(burst=300, per_s=30)  # of one address that is not this machine
_TLS_HANDSHAKE: Final = 0x16
_LINGER_S: Final = 1.0
_RETRY_S: Final = 1.0
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_log = logs.logger("acceptor")
ProtocolFactory = Callable[[Arrival, bytes], asyncio.BaseProtocol]


class Acceptor:
    """The listening sockets. `make_protocol(arrival, tls_spki_hash)` takes over after TLS."""

    def __init__(
        self,
        sockets: list[socket.socket],
        identity: TlsIdentity,
        *,
        make_protocol: ProtocolFactory,
        strangers: Strangers[Arrival],
        metrics: Metrics,
        has_room: Callable[[], bool],
        log_addresses: bool = False,
    ) -> None:
        self.identity = identity  # replaced when the certificate is renewed
        self._sockets = sockets
        self._make_protocol = make_protocol
        self._strangers = strangers
        self._metrics = metrics
        self._has_room = has_room
        self._log_addresses = log_addresses
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._rate = Throttle(CONNECT_RATE)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to listen."""
        for listener in self._sockets:
            listener.setblocking(False)
            listener.listen(BACKLOG)
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def stop(self) -> None:
        """Take nobody in any more."""
        for listener in self._sockets:
            self._loop.remove_reader(listener.fileno())
            listener.close()
        self._sockets = []

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                peer, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(listener)
                return
            self._take_in(peer, str(address[0]))

    def _pause(self, listener: socket.socket) -> None:
        # The listener stays readable without a free file: asking again would be a busy loop.
        logs.event(_log, logging.ERROR, "no more files: raise `ulimit -n`")
        self._loop.remove_reader(listener.fileno())
        self._loop.call_later(_RETRY_S, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._sockets:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _take_in(self, peer: socket.socket, address: str) -> None:
        now_s = self._loop.time()
        arrival = Arrival(next(self._numbers), address, now_s + HANDSHAKE_TIMEOUT_S)
        self._metrics.connections += 1
        too_fast = arrival.key is not None and self._rate.take(arrival.key, now_s) > 0
        if too_fast or not self._has_room():
            self._metrics.connections_refused += 1
            peer.close()
            return
        evicted = self._strangers.admit(arrival.key, arrival)
        if evicted is not None:
            evicted.abort()
        facts: dict[str, logs.Fact] = {"connection": arrival.number}
        if self._log_addresses:
            facts["address"] = address
        logs.event(_log, logging.INFO, "connected", **facts)
        peer.setblocking(False)
        arrival.abort_with(lambda: self._forget(arrival, peer))
        self._loop.add_reader(peer.fileno(), self._look, arrival, peer)

    def _forget(self, arrival: Arrival, peer: socket.socket) -> None:
        self._strangers.remove(arrival.key, arrival)
        if peer.fileno() >= 0:
            self._loop.remove_reader(peer.fileno())
            peer.close()

    def _look(self, arrival: Arrival, peer: socket.socket) -> None:
        try:
            first = peer.recv(8, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if not first:
            self._forget(arrival, peer)
        elif self._is_client(first):
            self._loop.remove_reader(peer.fileno())
            self._spawn(arrival, peer)
        else:
            self._answer_plainly(arrival, peer)

    def _is_client(self, first: bytes) -> bool:
        if self.identity.context is None:
            return first.startswith(b"GET "[: len(first)])
        return first[0] == _TLS_HANDSHAKE

    def _answer_plainly(self, arrival: Arrival, peer: socket.socket) -> None:
        self._metrics.tls_failures += 1
        try:
            peer.send(plain_answer(peer.recv(4096)))
            peer.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        # Closing now with bytes unread would reset the connection before the line is read.
        self._loop.remove_reader(peer.fileno())
        self._loop.call_later(_LINGER_S, self._forget, arrival, peer)

    def _spawn(self, arrival: Arrival, peer: socket.socket) -> None:
        task = self._loop.create_task(self._secure(arrival, peer))
        arrival.abort_with(task.cancel)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _secure(self, arrival: Arrival, peer: socket.socket) -> None:
        identity = self.identity
        timeout_s = HANDSHAKE_TIMEOUT_S if identity.context is not None else None
        try:
            transport, _ = await aiofastnet.connect_accepted_socket(
                self._loop,
                lambda: self._make_protocol(arrival, identity.spki_hash),
                peer,
                ssl=identity.context,
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=timeout_s,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError) as error:
            self._metrics.tls_failures += 1
            self._strangers.remove(arrival.key, arrival)
            name = type(error).__name__
            logs.event(_log, logging.DEBUG, "no TLS", connection=arrival.number, error=name)
            return
        if not arrival.is_known:
            arrival.abort_with(transport.abort)
