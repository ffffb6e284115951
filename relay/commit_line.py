"""Commits in their turn: relay.pace, driven by the loop's clock and the writer's answers.

Never decides whose turn it is, and never lets a commit wait for a connection that is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from relay.connection import Connection
from relay.flow import size_of
from relay.outcome import Outcome
from relay.pace import Result
from relay.services import Services
from wire.errors import Code, WireError
from wire.replies import Accepted, Conflict, Failed
from wire.requests import Append


class CommitLine:
    """Commits in their turn: relay.pace, with the loop's clock."""

    def __init__(
        self,
        services: Services,
        submit: Callable[[Connection, Any, Callable[[Any], None]], None],
    ) -> None:
        self._services = services
        self._submit = submit
        self._timer: asyncio.TimerHandle | None = None

    def join(self, connection: Connection, request: Append) -> None:
        """Put a commit in its conversation's line."""
        device = connection.session.who.device
        item = (connection, request)
        if not self._services.pace.join(request.conversation, device, item):
            raise WireError(Code.UNAVAILABLE, "Too many commits wait there. Try again in a moment.")
        connection.began(size_of(request))
        self._run()

    def leave(self, device: bytes) -> None:
        """A device is gone, and what it waited with."""
        for connection, request in self._services.pace.leave(device):
            connection.done(size_of(request))
        self._run()

    def _run(self) -> None:
        services = self._services
        for conversation, (connection, request) in services.pace.due(services.now_s()):
            self._begin(conversation, connection, request)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at_s = services.pace.wake_at_s()
        if wake_at_s is not None:
            self._timer = services.loop.call_at(wake_at_s, self._run)

    def _begin(self, conversation: bytes, connection: Connection, request: Append) -> None:
        services, device = self._services, connection.session.who.device

        def then(result: Outcome | Exception) -> None:
            kind = _result(result)
            services.pace.finish(conversation, device, kind, services.now_s())
            if kind is Result.ACCEPTED:
                services.asking.settle(conversation)
            services.loop.call_soon(self._run)

        connection.done(size_of(request))
        try:
            self._submit(connection, request, then)
        except WireError as error:
            then(error)
            reply = Failed(request.rid, error.code.value, error.text, error.data)
            connection.outlet.reply(reply)


def _result(result: Outcome | Exception) -> Result:
    reply = result.reply if isinstance(result, Outcome) else None
    if type(reply) is Accepted:
        return Result.ACCEPTED
    return Result.CONFLICT if type(reply) is Conflict else Result.REFUSED
