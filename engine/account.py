"""An unlocked account, put together: its store, keys, contacts, line to the relay and messages.

Never computes anything itself: it starts the parts, passes pushes on in order, and ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from random import random as chance
from typing import Any, Final

from msgspec.structs import replace

from engine.administration import Administration
from engine.contacts import Contacts
from engine.context import Context, now_ms
from engine.conversation import State
from engine.events import Connected, Disconnected, Event, Notice
from engine.faults import SafeStore
from engine.keypackages import KeyPackages
from engine.line import Doings, Line
from engine.link import Connection
from engine.lock import Label
from engine.messenger import Messenger
from engine.news import News
from engine.open_account import OpenAccount
from engine.reconnect import wait_s
from engine.record import AccountRecord, check_own, get_record, put_record
from engine.tasks import Tasks
from engine.trust import dial_allowed
from storage.client import messaging
from wire import pushes
from wire.errors import Code, WireError
from wire.link import Address, parse_server
from wire.pushes import Ended, Push
from wire.replies import LoggedIn, Reply
from wire.requests import Logout, Request, Resume
from wire.suites import DEFAULT_SUITE

MAX_CATCH_UPS: Final = 5  # tries in one session, when the relay refuses something for a while


class _Place:
    """A Link whose Line is put in once both exist."""

    line: Line

    @property
    def is_connected(self) -> bool:
        return self.line.is_connected

    async def request(self, frame: Request) -> Reply:
        return await self.line.request(frame)


class Account:
    """One account of the profile, open. `close` gives its store back."""

    def __init__(
        self,
        record: AccountRecord,
        store: SafeStore,
        *,
        opened: OpenAccount,
        emit: Callable[[Event], None],
        random: Callable[[int], bytes] = os.urandom,
        suite: int = DEFAULT_SUITE,
    ) -> None:
        self.record = record
        self.keys = record.keys()
        self._store = store
        self._opened = opened
        self._emit = emit
        self._random = random
        self._tasks = Tasks(emit, on_fault=self._on_fault)
        self._session_task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.greeting = ""  # the operator's line to whoever logs in
        place = _Place()
        self.line = place.line = Line(
            Doings(self._dial, self._enter, self._on_ready, self._on_down)
        )
        self.contacts = Contacts(self.keys, store, link=place, emit=emit, now_ms=now_ms)
        self.context = Context(
            keys=self.keys,
            store=store,
            link=place,
            contacts=self.contacts,
            relay_key=record.relay_key,
            emit=emit,
            spawn=self.spawn,
            suite=suite,
            random=random,
        )
        self.messenger = Messenger(self.context)
        self.packages = KeyPackages(self.context)
        self.administration = Administration(self.context)
        self.news = News(self.keys.account, emit)

    @classmethod
    async def open(
        cls,
        opened: OpenAccount,
        *,
        emit: Callable[[Event], None],
        random: Callable[[int], bytes] = os.urandom,
        suite: int = DEFAULT_SUITE,
    ) -> Account:
        """Return an unlocked account, ready but not connected; `suite`: see Context."""
        store = SafeStore(opened.store)
        record = await store.query(get_record)
        account = cls(record, store, opened=opened, emit=emit, random=random, suite=suite)
        await account.contacts.load()
        await account.messenger.start()
        return account

    async def close(self) -> None:
        """End the session and every task, then give the store back."""
        await self.end()
        await self._opened.release()

    async def end(self) -> None:
        """End the session and every task; the store stays open."""
        await self.line.stop()
        self._leave_session()
        if self._ending is not None:
            await self._ending
        await self._tasks.end()
        await self.messenger.close()

    async def reopened(self) -> Account:
        """End this account and return it made anew from its store: the record has changed."""
        await self.end()
        return await Account.open(
            self._opened, emit=self._emit, random=self._random, suite=self.context.suite
        )

    async def say_goodbye(self) -> None:
        """Tell the relay that the session ends; without a connection there is nothing to tell."""
        with contextlib.suppress(WireError):
            await self.line.request(Logout(0))

    @property
    def address(self) -> Address:
        """Where the account's relay is."""
        return parse_server(self.record.server)

    async def save(self, **changes: Any) -> None:
        """Store a changed record, then use it."""
        record = replace(self.record, **changes)
        await self._store.run(lambda connection: put_record(connection, record))
        self.record = record
        if "server" in changes:
            self._opened.relabel(Label(account=self.keys.account, server=record.server))

    async def trust(self, fingerprint: str, relay_key: bytes) -> None:
        """Trust another relay in the place of this one.

        The groups have the old relay as their external sender, and so end; history stays.
        """
        record = replace(self.record, fingerprint=fingerprint, relay_key=relay_key)

        def work(connection: Any) -> None:
            put_record(connection, record)
            messaging.close_all(connection, state=State.CLOSED)

        await self._store.run(work)
        self.record = record

    def adopt(self, connection: Connection, logged_in: LoggedIn) -> None:
        """Go on with the session that registering or logging in made."""
        self.line.adopt(connection, logged_in)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """See engine.context.Context."""
        self._tasks.start(work)

    def _on_fault(self) -> None:
        """A fault of ours: come back with a fresh session, so that what was left is found."""
        text = "Something went wrong in this client; it connects anew."
        self._emit(Notice(kind="warning", text=text))
        self.line.fail(WireError(Code.UNAVAILABLE, text))

    # What the line asks for and tells.

    async def _dial(self) -> Connection:
        return await dial_allowed(
            self.address,
            fingerprints=(self.record.fingerprint,),
            on_push=self.on_push,
            random=self._random,
        )

    async def _enter(self, connection: Connection) -> LoggedIn:
        keys = self.keys
        proof = connection.proof(keys.signer, account=keys.account, device=keys.device)
        answer = await connection.request(Resume(0, keys.account, keys.device, proof))
        assert isinstance(answer, LoggedIn)
        check_own(answer, account=keys.account, device=keys.device)
        return answer

    def _on_ready(self, connection: Connection, logged_in: LoggedIn) -> None:
        self._leave_session()
        self.greeting = connection.greeting
        self.news.entered(logged_in)
        self._emit(Connected(server=self.record.server, fingerprint=self.record.fingerprint))
        self._session_task = self._tasks.start(self._run_session(logged_in))

    async def _run_session(self, logged_in: LoggedIn) -> None:
        if self._ending is not None:  # the session before must be over for its messages
            await self._ending
        packages = self.packages.refill_all(logged_in.stocks)
        if any(stock.left or stock.has_last_resort for stock in logged_in.stocks):
            self.spawn(packages)
        else:  # a new device: before `sync` says that all is done, it can be written to
            with contextlib.suppress(WireError):
                await packages
        if logged_in.is_admin != self.record.is_admin:
            await self.save(is_admin=logged_in.is_admin)
        await self._catch_up()

    async def _catch_up(self) -> None:
        for tries in range(1, MAX_CATCH_UPS + 1):
            try:
                await self.messenger.on_connected()
                return
            except WireError:
                if not self.line.is_connected or tries == MAX_CATCH_UPS:
                    raise
            await asyncio.sleep(wait_s(tries, random=chance))

    def _on_down(self, error: WireError, ended: Ended | None, retry_in_s: float | None) -> None:
        self._leave_session()
        self.news.ended(error, ended)
        code = ended.reason.value if ended is not None else error.code.value
        text = (ended.text if ended is not None else "") or error.text
        self._emit(Disconnected(code=code, text=text, retry_in_s=retry_in_s))

    def _leave_session(self) -> None:
        task, self._session_task = self._session_task, None
        if task is not None:
            self._ending = asyncio.create_task(self._end_session(task))

    async def _end_session(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self.messenger.on_disconnected()

    def on_push(self, push: Push) -> None:
        """Pass one push on; called in the order of the wire, never blocks."""
        match push:
            case pushes.Presence() | pushes.Notice():
                self.news.told(push)
            case pushes.PackagesLow():
                self.spawn(self.packages.refill(push.suite, push.left))
            case pushes.RootChanged():
                self.spawn(self.contacts.root_changed(push.account))
            case _:
                self.messenger.on_push(push)
