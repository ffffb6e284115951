"""A running relay: its parts put together, its clock, and how it ends.

Never handles a request (relay.dispatch does) and never opens what it is given (relay.startup).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from relay import http, logs, tls
from relay.acceptor import Acceptor
from relay.arrival import Arrival
from relay.asking import Asking
from relay.bus import Bus
from relay.checkpointing import Checkpointing
from relay.config import Config, split_address
from relay.connection import Connection
from relay.dispatch import Dispatcher
from relay.errors import StartError
from relay.flow import Flow
from relay.gate import BURST_S, Gate
from relay.hashing import HashPool
from relay.housekeeping import Housekeeping
from relay.metrics import Metrics, registry_of
from relay.metrics_page import MetricsPage
from relay.outcome import Outcome
from relay.outlet import Turn
from relay.presence import Online
from relay.probe import Probe
from relay.reminders import waiting_removes
from relay.services import Services
from relay.startup import Opened, load_tls, with_settings
from relay.strangers import Strangers
from relay.throttle import Rate
from relay.upgrade import StrangersProtocol
from relay.watching import Watch
from relay.worker import reader, writer
from wire.limits import PING_INTERVAL_S, PING_TIMEOUT_S
from wire.pushes import Ended, EndReason

TICK_S: Final = 0.25
DRAIN_S: Final = 5.0
PRESENCE_PER_S: Final = 4000  # frames: what telling who came and went may cost
_BEAT: Final = 5.0  # how often silence is looked at
_SHUTDOWN: Final = Ended(EndReason.SHUTDOWN, text="The relay is stopping: it comes back soon.")
_log = logs.logger("running")


class Relay:
    """A running relay. For the event loop's thread only."""

    def __init__(
        self,
        config: Config,
        belongings: Opened,
        *,
        identity: tls.TlsIdentity,
        sockets: list[socket.socket],
    ) -> None:
        self._config = config
        self._folder = belongings.folder
        watch = Watch(self._free_bytes, lambda: self.acceptor.identity.ends_at_s)
        self.services = _services(config, belongings, watch)
        self._dispatcher = Dispatcher(self.services)
        self.acceptor = Acceptor(
            sockets,
            identity,
            make_protocol=self._protocol,
            strangers=self.services.strangers,
            metrics=self.services.metrics,
            has_room=lambda: len(self.services.connections) < config.max_connections,
            log_addresses=config.log_addresses,
        )
        self._housekeeping = Housekeeping(
            belongings.database,
            self.services.writer,
            self.services.context,
            tell=lambda outcome: self.services.bus.tell(outcome, None),
            failed=_log_failure,
        )
        self._checkpointing = Checkpointing(belongings.database, failed=_log_failure)
        self._probes = (Probe(self.services.writer), Probe(self.services.reader))
        self._presence_at_s = 0.0
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._add_gauges()
        self.metrics_page: MetricsPage | None = None
        if config.metrics_address is not None:
            self.metrics_page = MetricsPage(
                split_address(config.metrics_address),
                registry_of(self.services.metrics),
                is_healthy=self._is_healthy,
            )

    def start(self) -> None:
        """Begin to serve."""
        self.services.loop.set_exception_handler(_log_loop_error)
        self.acceptor.start()
        self._housekeeping.start()
        self._checkpointing.start()
        if self.metrics_page is not None:
            self.metrics_page.start()
        services = self.services
        services.reader.submit(
            lambda database: waiting_removes(database, services.context), self._remind
        )
        self._tick()

    def _remind(self, result: Outcome | Exception) -> None:
        if isinstance(result, Exception):
            _log_failure(result)
        else:
            self.services.bus.tell(result, None)

    def reload(self, read: Callable[[], Config]) -> None:
        """Take over the certificate and the limits anew; open connections stay as they are.

        What cannot be read changes nothing. `read` returns the settings or raises StartError.
        """
        try:
            config = read()
            identity = load_tls(config, self._folder)
        except StartError as error:
            logs.event(_log, logging.ERROR, "not reloaded", reason=str(error))
            return
        services = self.services
        self.acceptor.identity = identity
        services.gate.requests = request_rate(config)
        services.context = dataclasses.replace(
            services.context,
            limits=with_settings(services.context.limits, config),
        )
        logs.event(_log, logging.INFO, "reloaded")

    async def drain(self) -> None:
        """Take nobody in, finish what was asked, say goodbye, stop the threads."""
        services = self.services
        logs.event(_log, logging.INFO, "draining", sessions=len(services.bus))
        self.acceptor.stop()
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.to_thread(self._housekeeping.close)
        await asyncio.to_thread(self._checkpointing.close)
        await asyncio.to_thread(services.writer.close)
        await asyncio.to_thread(services.reader.close)
        await asyncio.sleep(0)  # what the threads delivered
        services.turn.flush()
        for arrival in services.strangers.items():
            arrival.abort()
        for connection in list(services.connections):
            connection.outlet.end(_SHUTDOWN)
        services.is_empty.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S if services.connections else 0):
                await services.is_empty.wait()
        for connection in list(services.connections):
            connection.cut()
        services.hashing.close()
        if self.metrics_page is not None:
            await asyncio.to_thread(self.metrics_page.close)
        await asyncio.sleep(0)

    def _protocol(self, arrival: Arrival, tls_spki_hash: bytes) -> asyncio.BaseProtocol:
        def factory(request: WSUpgradeRequest) -> Any:
            return self._route(request, arrival, tls_spki_hash)

        return StrangersProtocol(arrival, factory, self._dispatcher.gone)

    def _route(
        self, request: WSUpgradeRequest, arrival: Arrival, tls_spki_hash: bytes
    ) -> Connection | WSUpgradeResponseWithListener:
        page = http.route(request, origins=self._config.origins)
        if page is None:
            services = self.services
            connection = Connection(
                arrival,
                self._dispatcher,
                turn=services.turn,
                flow=services.flow,
                loop=services.loop,
                tls_spki_hash=tls_spki_hash,
            )
            services.connections.add(connection)
            return connection
        if page == "health":
            page = http.Page(200, b"ok\n") if self._is_healthy() else http.Page(503, b"busy\n")
        assert isinstance(page, http.Page)
        response: WSUpgradeResponse = http.response(page)
        return WSUpgradeResponseWithListener(response, None)

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _is_healthy(self) -> bool:
        return all(probe.is_well for probe in self._probes)

    def _add_gauges(self) -> None:
        services = self.services
        services.metrics.gauges |= {
            "sessions": lambda: len(services.bus),
            "accounts_online": lambda: len(services.online),
            "strangers": lambda: len(services.strangers),
            "writer_waiting": services.writer.waiting,
            "reader_waiting": services.reader.waiting,
            "bcrypt_waiting": lambda: services.hashing.waiting,
            "requests_in_flight": lambda: services.flow.in_flight,
            "removals_asked": lambda: len(services.asking),
            "certificate_seconds_left": lambda: self.acceptor.identity.ends_at_s - time.time(),
            "disk_free_bytes": self._free_bytes,
        }

    def _tick(self) -> None:
        services = self.services
        now_s = services.now_s()
        self._ticks += 1
        if now_s >= self._presence_at_s:
            # Everybody is told of everybody: with many people, less often.
            self._presence_at_s = now_s + len(services.bus) / PRESENCE_PER_S
            for push in services.online.take_changes():
                services.bus.push(push)
        for device, conversation, stands_on in services.asking.due(
            now_s, services.bus.is_connected
        ):
            services.bus.ask_device(device, conversation, stands_on)
        if self._ticks % 4 == 0:
            self._end_late(now_s)
        if self._ticks % int(_BEAT / TICK_S) == 0:
            self._look_for_silence()
            services.watch.look(time.time())
            for probe in self._probes:
                probe.begin()
        self._timer = services.loop.call_later(TICK_S, self._tick)

    def _end_late(self, now_s: float) -> None:
        for arrival in self.services.strangers.items():
            if now_s > arrival.deadline_s:
                self.services.metrics.handshake_timeouts += 1
                arrival.abort()

    def _look_for_silence(self) -> None:
        for connection in list(self.services.connections):
            if connection.is_heard or connection.is_paused:
                connection.is_heard, connection.silence = False, 0
                continue
            connection.silence += 1
            if connection.silence * _BEAT > PING_INTERVAL_S + PING_TIMEOUT_S:
                connection.cut()
            elif connection.silence * _BEAT == PING_INTERVAL_S:
                connection.ping()


def _services(config: Config, belongings: Opened, watch: Watch) -> Services:
    loop = asyncio.get_running_loop()
    metrics, online = Metrics(), Online()
    asking, gate = Asking(), Gate(request_rate(config))
    bus = Bus(
        online,
        ask=asking.begin,
        undone=lambda device: gate.commit_undone(device, loop.time()),
    )
    deliver = _deliverer(loop)
    return Services(
        loop=loop,
        context=dataclasses.replace(
            belongings.context,
            is_online=online.__contains__,
            is_connected=bus.is_connected,
        ),
        writer=writer(belongings.database, deliver=deliver, committed=metrics.commit.observe),
        reader=reader(belongings.database, deliver=deliver),
        hashing=HashPool(),
        metrics=metrics,
        turn=Turn(loop.call_soon, metrics),
        strangers=Strangers(config.max_strangers, config.max_strangers_per_address),
        online=online,
        bus=bus,
        asking=asking,
        gate=gate,
        flow=Flow(),
        watch=watch,
        greeting=config.greeting,
    )


def request_rate(config: Config) -> Rate:
    """Return how much one connection may ask for."""
    return Rate(burst=config.requests_per_s * BURST_S, per_s=config.requests_per_s)


def _deliverer(loop: asyncio.AbstractEventLoop) -> Callable[[Sequence[Callable[[], None]]], None]:
    def run(callbacks: Sequence[Callable[[], None]]) -> None:
        for callback in callbacks:
            callback()

    def deliver(callbacks: Sequence[Callable[[], None]]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            loop.call_soon_threadsafe(run, callbacks)

    return deliver


def _log_failure(error: Exception) -> None:
    logs.failure(_log, "housekeeping", error.__cause__ or error)


def _log_loop_error(_loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
    error = facts.get("exception")
    if isinstance(error, OSError):  # a peer that went away in the middle
        logs.event(_log, logging.DEBUG, "lost", error=type(error).__name__)
    elif isinstance(error, BaseException):
        logs.failure(_log, "loop", error)
    else:
        logs.event(_log, logging.ERROR, "loop")
