"""A whole relay in the test's own process, on a free port, with real sockets and files."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.config import Config
from relay.context import Limits
from relay.operator import Operator
from relay.running import Relay
from relay.serve import new_loop
from relay.startup import Opened, bind, load_tls, opened
from tests.relay.client import Client, connect, new_device
from wire import replies


@dataclass
class Live:
    """A running relay."""

    relay: Relay
    port: int
    belongings: Opened


@asynccontextmanager
async def live(folder: Path, **settings: Any) -> AsyncIterator[Live]:
    """Run a relay on `folder`/relay with cheap password hashes for the time of the block."""
    os.chmod(folder, 0o700)
    config = Config(port=0, data=folder / "relay", **settings)
    with opened(config) as belongings:
        context = dataclasses.replace(belongings.context, limits=Limits(bcrypt_cost=4))
        belongings = dataclasses.replace(belongings, context=context)
        sockets = bind(config.host, config.port)
        port = sockets[0].getsockname()[1]
        relay = Relay(
            config, belongings, identity=load_tls(config, belongings.folder), sockets=sockets
        )
        relay.start()
        try:
            yield Live(relay, port, belongings)
        finally:
            await relay.drain()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a test's scenario on the loop that a relay has."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scenario)


async def until(holds: Callable[[], bool]) -> None:
    """Return once something about the relay holds; nothing tells of it by itself."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def member(relay: Live, name: str) -> Client:
    """Return the client of a new account."""
    client = await connect(relay.port)
    reply = await client.register(new_device(name))
    assert isinstance(reply, replies.LoggedIn), reply
    return client


async def operate(relay: Live, **command: str) -> dict[str, Any]:
    """Carry out an operator's command in the running relay."""
    return await Operator(relay.relay.services).handle(command)
