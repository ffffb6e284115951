"""What the parts of a running relay share.

Never decides anything: it holds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from relay.arrival import Arrival
from relay.asking import Asking
from relay.bus import Bus
from relay.context import Context
from relay.flow import Flow
from relay.gate import Gate
from relay.hashing import HashPool
from relay.metrics import Metrics
from relay.outlet import Turn
from relay.pace import Pace
from relay.presence import Online
from relay.strangers import Strangers
from relay.watching import Watch
from relay.worker import Worker


@dataclass(eq=False, slots=True)
class Services:
    """One relay's. For the event loop's thread only, but for `context`."""

    loop: asyncio.AbstractEventLoop
    context: Context
    writer: Worker
    reader: Worker
    hashing: HashPool
    metrics: Metrics
    turn: Turn
    strangers: Strangers[Arrival]
    online: Online
    bus: Bus
    asking: Asking
    gate: Gate
    flow: Flow
    watch: Watch
    greeting: str = ""
    pace: Pace[Any] = field(default_factory=Pace)
    connections: set[Any] = field(default_factory=set)  # relay.connection.Connection

    is_empty: asyncio.Event = field(default_factory=asyncio.Event)  # the last connection went

    def now_s(self) -> float:
        """Return the loop's monotonic time."""
        return self.loop.time()
