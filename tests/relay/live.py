"""A whole relay in the test's own process, on a free port, with real sockets and files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.config import Config
from relay.context import Limits
from relay.running import Relay
from relay.startup import Opened, bind, load_tls, opened


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
