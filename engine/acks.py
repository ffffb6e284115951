"""Tells the relay how far each conversation is stored, and what the commits there were worth.

Never before the store has it. Many entries share one acknowledgement: one is under way at a time.
"""

from __future__ import annotations

import asyncio

from engine.commits import ACCEPTED, REFUSED, UNUSABLE
from engine.context import Context
from engine.killpoints import reached
from engine.live import Live
from storage.client import messaging
from wire.errors import Code, WireError
from wire.requests import Ack, Verdict

_VERDICTS = {
    ACCEPTED: Verdict.ACCEPTED,
    REFUSED: Verdict.REFUSED,
    UNUSABLE: Verdict.UNUSABLE,
}
_MOST_VERDICTS = 1024  # of one Ack (wire/requests.py)


class Acks:
    """Acknowledges the conversations that moved."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._moved: dict[bytes, Live] = {}
        self._is_running = False
        self._idle = asyncio.Event()
        self._idle.set()

    def note(self, live: Live) -> None:
        """Something new is stored in a conversation."""
        self._moved[live.value.id] = live
        if not self._is_running and self._context.link.is_connected:
            self._is_running = True
            self._idle.clear()
            self._context.spawn(self._run())

    async def wait_idle(self) -> None:
        """Return when nothing is left to acknowledge, or the connection is gone."""
        await self._idle.wait()

    async def _run(self) -> None:
        try:
            while self._moved:
                number = next(iter(self._moved))
                await self._acknowledge(self._moved.pop(number))
        finally:
            self._is_running = False
            self._idle.set()

    async def _acknowledge(self, live: Live) -> None:
        conversation, cursor = live.value.id, live.value.cursor
        rows = await self._context.store.query(lambda c: messaging.load_acks(c, conversation))
        verdicts = tuple((seq, _VERDICTS[verdict]) for seq, verdict in rows if seq <= cursor)
        if len(verdicts) > _MOST_VERDICTS:
            verdicts = verdicts[:_MOST_VERDICTS]
            cursor = verdicts[-1][0]
            self._moved[conversation] = live
        try:
            await self._context.link.request(Ack(0, conversation, cursor, verdicts))
        except WireError as error:
            if error.code in (Code.NOT_CONNECTED, Code.TIMEOUT):
                self._moved[conversation] = live
                raise
            # Removed since, or unknown by now: nobody waits for this acknowledgement.
        reached("acknowledged")
        if verdicts:
            await self._context.store.run(
                lambda connection: messaging.drop_acks(connection, conversation, up_to=cursor)
            )
