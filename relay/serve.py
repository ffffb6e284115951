"""`server.py serve`: start a relay, show its banner, run it until it is told to stop.

Never handles a connection: relay.running does.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable

from relay import datafolder, logs, tls
from relay.banner import Banner, link_address
from relay.config import Config
from relay.control import ControlSocket
from relay.memory import keep_small
from relay.operator import Operator
from relay.running import Relay
from relay.startup import Opened, bind, load_tls, opened
from wire.link import Address, fingerprint, parse_server

_log = logs.logger("serve")


def serve(config: Config, again: Callable[[], Config]) -> int:
    """Run a relay until SIGTERM or SIGINT; return the exit status. Raises StartError.

    `again` reads the settings anew: on SIGHUP.
    """
    logs.setup(config.log_level, config.log_format)
    keep_small()
    warnings = _harden(config)
    with opened(config) as belongings:
        identity = load_tls(config, belongings.folder)
        if config.tls_cert is not None:
            warnings.append(tls.expiry_warning(config.tls_cert, _now()))
        for each in belongings.lax:
            logs.event(_log, logging.WARNING, "not durable", setting=each)
            warnings.append(f"NOT DURABLE: the database setting {each}.")
        sockets = bind(config.host, config.port)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_serve(config, again, belongings, identity, sockets, warnings))
    return 0


async def _serve(
    config: Config,
    again: Callable[[], Config],
    belongings: Opened,
    identity: tls.TlsIdentity,
    sockets: list[socket.socket],
    warnings: list[str | None],
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    where = sockets[0].getsockname()
    relay = Relay(config, belongings, identity=identity, sockets=sockets)
    loop.add_signal_handler(signal.SIGHUP, relay.reload, again)
    control = ControlSocket(belongings.folder, Operator(relay.services).handle)
    await control.start()
    relay.start()
    _banner(config, belongings, where[1], warnings).show(sys.stdout)
    logs.event(_log, logging.INFO, "serving", port=where[1])
    await stopped.wait()
    control.stop()
    await relay.drain()
    logs.event(_log, logging.INFO, "stopped")


def _banner(config: Config, belongings: Opened, port: int, warnings: list[str | None]) -> Banner:
    own = fingerprint(belongings.context.signing_key.public)
    address = link_address(config.host, port, own)
    if config.public is not None:
        public = parse_server(config.public)
        address = Address(public.host, public.port, own)
    said = tuple(warning for warning in warnings if warning is not None)
    return Banner(Address(config.host, port).server, address, belongings.admin_code, said)


def _harden(config: Config) -> list[str | None]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core dump has the pepper in it
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS has a bound of its own below "no limit"
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return [
        datafolder.check_root(
            is_loopback=config.is_loopback, is_allowed=config.allow_root, uid=os.geteuid()
        )
    ]


def new_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop: uvloop's where there is one."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
