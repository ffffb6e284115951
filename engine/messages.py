"""Texts from the person's Enter to the relay's word: queued, waited for, tried again, given up.

Never loses a text that was taken: it is durable before anything else happens with it.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from engine.content import RoomSecret, encode_body, text_body
from engine.conversation import State
from engine.direct import Directs
from engine.events import Outgoing
from engine.hub import Hub, is_ready, unavailable
from engine.killpoints import reached
from engine.live import Live
from engine.numbers import number_of
from engine.outbox import Outbox
from engine.protecting import text_of
from engine.titles import LOBBY, account_in, title_of
from storage.client import outgoing
from storage.client.outgoing import OutboxRow
from wire.errors import Code, WireError
from wire.limits import REQUEST_TIMEOUT_S

TEXT: Final = "text"
_FINAL: Final = {State.REMOVED, State.FROZEN, State.CLOSED}
ROOM_SECRET: Final = "room_secret"  # noqa: S105 - a kind of row


class Messages:
    """What people send. `inbox`: held while Welcomes are taken, or a person is looked for."""

    def __init__(self, hub: Hub, directs: Directs, inbox: asyncio.Lock) -> None:
        self._hub = hub
        self._directs = directs
        self._inbox = inbox
        self._outbox = Outbox(hub, self._resolve)

    def wake(self, title: str) -> None:
        """Begin to send what waits for a target."""
        self._outbox.wake(title)

    async def wake_all(self) -> None:
        """Begin to send whatever waits."""
        await self._outbox.wake_all()

    def disconnected(self) -> None:
        """Forget what was true of the session only."""
        self._directs.disconnected()
        self._outbox.close()

    async def send(
        self, to: str, text: str, *, transaction_id: str | None = None, wait: str = "relay"
    ) -> dict[str, Any]:
        """Send a text; see the JSON contract. Once it is durable here, it is not lost."""
        body = text_body(text)
        title = title_of(to)
        context = self._hub.context
        number = context.fresh_number() if transaction_id is None else number_of(transaction_id)
        known = await self._known(number)
        if known is not None:
            return known
        await self._check_target(title)
        row = await self._queue(title, number, kind=TEXT, body=encode_body(body))
        queued = {"id": number.hex(), "state": "queued", "sent_at_ms": row.created_at_ms}
        answer = self._hub.answer_for(number)
        self._outbox.wake(title)
        if wait == "stored" or not self._hub.context.link.is_connected:
            return queued
        done, _ = await asyncio.wait({answer}, timeout=REQUEST_TIMEOUT_S)
        if not done:
            return queued
        sent_at_ms = row.created_at_ms
        return {"id": number.hex(), "seq": answer.result(), "sent_at_ms": sent_at_ms}

    async def _known(self, number: bytes) -> dict[str, Any] | None:
        """Return the first answer for a transaction id that is stored at the relay already."""
        device = self._hub.context.keys.device
        found = await self._hub.context.store.query(
            lambda c: outgoing.find_sent(c, device=device, message_id=number)
        )
        return None if found is None else {"id": number.hex(), "seq": found[1]}

    async def _check_target(self, title: str) -> None:
        """Raise what is known to stand against sending there, before anything is kept."""
        account = account_in(title)
        if account is not None:
            await self._check_person(account)
            return
        lives = self._hub.named(title)
        if lives and not lives[0].reads and title != LOBBY:
            raise unavailable(lives[0].value)
        if lives and lives[0].value.state is State.FROZEN:
            raise unavailable(lives[0].value)
        if not lives and title != LOBBY:
            raise WireError(Code.NO_SUCH_ROOM, f"You are not in {title}. Join it first.")

    async def _check_person(self, account: str) -> None:
        contacts = self._hub.context.contacts
        known = contacts.known(account)
        if known is not None and known.changed_root is None:
            return
        try:
            await contacts.check(account)
        except WireError as error:
            if error.code not in (Code.NOT_CONNECTED, Code.TIMEOUT):
                raise

    async def _queue(self, title: str, number: bytes, *, kind: str, body: bytes) -> OutboxRow:
        now_ms = self._hub.context.now_ms()

        def work(connection: Any) -> OutboxRow:
            return outgoing.queue(
                connection,
                target=title,
                transaction_id=number,
                kind=kind,
                body=body,
                now_ms=now_ms,
            )

        row = await self._hub.context.store.run(work)
        reached("queued")
        if kind == TEXT:
            self._hub.emit(Outgoing(id=number.hex(), state="queued", conversation=title))
        return row

    async def tell_secret(self, live: Live, secret: RoomSecret) -> None:
        """Send a room's new key to its members and wait until the relay has it."""
        number = self._hub.context.fresh_number()
        answer = self._hub.answer_for(number)
        title = live.value.title
        await self._queue(title, number, kind=ROOM_SECRET, body=encode_body(secret))
        self._outbox.wake(title)
        done, _ = await asyncio.wait({answer}, timeout=REQUEST_TIMEOUT_S)
        if not done:
            raise WireError(Code.TIMEOUT, "The new password is not set yet; try again.")
        answer.result()

    async def _resolve(self, title: str) -> Live | None:
        account = account_in(title)
        if account is not None:
            async with self._inbox:
                live = await self._directs.resolve(account)
            return live if is_ready(live) else None
        lives = self._hub.named(title)
        if lives and is_ready(lives[0]):
            return lives[0]
        # Out of the lobby one comes back by itself; out of a room only when asked.
        final = {State.FROZEN} if title == LOBBY else _FINAL
        if lives and lives[0].value.state in final:
            raise unavailable(lives[0].value)
        return None

    async def outbox(self) -> list[dict[str, Any]]:
        """Return what is not at the relay yet, or was refused, oldest first."""
        rows = await self._hub.context.store.query(outgoing.load_outbox)
        found = []
        for row in rows:
            text = text_of(row)
            if text is not None:
                found.append(
                    {
                        "id": row.transaction_id.hex(),
                        "conversation": row.target,
                        "text": text,
                        "state": "failed" if row.is_failed else "queued",
                        "code": row.failure,
                        "sent_at_ms": row.created_at_ms,
                    }
                )
        return found

    async def retry(self, id: str | None = None) -> list[str]:
        """Queue refused messages again; return their ids."""
        rows = [row for row in await self._rows(id) if row.is_failed]
        for row in rows:
            number = row.transaction_id
            await self._hub.context.store.run(partial(outgoing.set_queued, transaction_id=number))
            self._outbox.wake(row.target)
        return [row.transaction_id.hex() for row in rows]

    async def cancel(self, id: str | None = None) -> list[str]:
        """Give up messages that were never sent; return their ids."""
        gone = []
        for row in await self._rows(id):
            if row.message is None and text_of(row) is not None:
                number = row.transaction_id
                await self._hub.context.store.run(partial(outgoing.drop, transaction_id=number))
                text = "The message was given up."
                self._hub.fail(number, WireError(Code.BAD_REQUEST, text))
                gone.append(number.hex())
        return gone

    async def _rows(self, id: str | None) -> list[OutboxRow]:
        rows = await self._hub.context.store.query(outgoing.load_outbox)
        if id is None:
            return rows
        found = [row for row in rows if row.transaction_id == number_of(id)]
        if not found:
            raise WireError(Code.BAD_REQUEST, "No message with that id waits.")
        return found
