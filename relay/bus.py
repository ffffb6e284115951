"""Who is connected, and the fan-out of what happened to them.

Never reads the database and never decides who may read: an event names its readers. A frame is
encoded once, whoever gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod

from relay import outcome
from relay.context import Who
from relay.frames import pack
from relay.outlet import Outlet
from relay.presence import Online
from storage.killpoints import reached
from wire.limits import MAX_FETCH_BYTES
from wire.pushes import CommitWanted, Ended, EndReason, Entries, InboxPush, Push, Tally
from wire.replies import Accepted, Entry

_REPLACED = Ended(EndReason.REPLACED, text="This device connected again elsewhere.")


@dataclass(eq=False, slots=True)
class Session:
    """A logged-in connection."""

    who: Who
    display: str
    outlet: Outlet


class Bus:
    """The sessions of this relay, and what is told to them. For the event loop's thread only.

    `ask` is called with each AskCommit: who is asked next depends on time (see relay.asking).
    `undone` is called with each device whose commit the members had undone.
    """

    def __init__(
        self,
        online: Online,
        *,
        ask: Callable[[outcome.AskCommit], None],
        undone: Callable[[bytes], None],
    ) -> None:
        self._online = online
        self._ask = ask
        self._undone = undone
        self._by_device: dict[bytes, Session] = {}
        self._by_account: dict[str, set[Session]] = {}

    def __len__(self) -> int:
        return len(self._by_device)

    def sessions(self) -> list[Session]:
        """Return all sessions."""
        return list(self._by_device.values())

    def is_connected(self, device: bytes) -> bool:
        """Whether a device (16 bytes) has a session."""
        return device in self._by_device

    def session_of(self, device: bytes) -> Session | None:
        """Return a device's session."""
        return self._by_device.get(device)

    def join(self, session: Session) -> None:
        """Take a session in; an older one of the same device ends."""
        older = self._by_device.get(session.who.device)
        if older is not None:
            self.leave(older)
            older.outlet.end(_REPLACED)
        self._by_device[session.who.device] = session
        self._by_account.setdefault(session.who.account, set()).add(session)
        self._online.arrive(session.who.account, session.display)

    def leave(self, session: Session) -> bool:
        """Let a session go; False when it was not (or no longer) here."""
        who = session.who
        if self._by_device.get(who.device) is not session:
            return False
        del self._by_device[who.device]
        sessions = self._by_account[who.account]
        sessions.discard(session)
        if not sessions:
            del self._by_account[who.account]
        self._online.depart(who.account)
        return True

    def tell(self, result: outcome.Outcome, asker: Outlet | None) -> None:
        """Answer the asker and tell the others, each in the order of the log."""
        reply = result.reply
        if type(reply) is Accepted:
            _durable()
        for event in result.events:
            if reply is not None and asker is not None and type(reply) is Accepted:
                # Among the entries of its conversation, an Accepted stands where the entry would.
                asker.reply(reply)
                reply = None
            self._tell(event)
        if reply is not None and asker is not None:
            asker.reply(reply)

    def push(self, push: Push) -> None:
        """Tell everybody."""
        self._send(self._by_device.values(), push)

    def tell_said(self, said: outcome.Said, asked: Sequence[tuple[Outlet, int]]) -> None:
        """Tell new messages: their senders that they are stored, all others what they are.

        `asked`: the outlet and rid of each request that `said` may name.
        """
        _durable()
        runs = _runs(said, asked)
        senders = {run.outlet for run in runs}
        whole = b""
        for device in said.readers:
            session = self._by_device.get(device)
            if session is None or session.outlet in senders:
                continue
            if not whole:  # the same bytes for all who sent none of it
                whole = b"".join(run.frame(said.conversation) for run in runs)
            session.outlet.send(whole)
        for outlet in senders:
            for run in runs:
                if run.outlet is outlet:
                    outlet.accept(run.answers)
                else:
                    outlet.send(run.frame(said.conversation))

    @singledispatchmethod
    def _tell(self, event: object) -> None:
        raise AssertionError(f"no such event: {type(event).__name__}")

    @_tell.register
    def _stored(self, event: outcome.Stored) -> None:
        frames: list[bytes] = []
        by_device = self._by_device
        for device in event.readers:
            session = by_device.get(device)
            if session is None or device == event.sender:
                continue
            if not frames:
                frames = [pack(Entries(event.conversation, some)) for some in _fitting(event)]
            for data in frames:
                session.outlet.send(data)

    @_tell.register
    def _welcome(self, event: outcome.WelcomeStored) -> None:
        session = self._by_device.get(event.device)
        if session is not None:
            session.outlet.send(pack(InboxPush(event.entry)))

    @_tell.register
    def _to_devices(self, event: outcome.ToDevices) -> None:
        if type(event.push) is Tally and event.push.undone:
            for device in event.devices:
                self._undone(device)
        found = (self._by_device.get(device) for device in event.devices)
        self._send([session for session in found if session is not None], event.push)

    @_tell.register
    def _to_accounts(self, event: outcome.ToAccounts) -> None:
        self._send([s for a in event.accounts for s in self._by_account.get(a, ())], event.push)

    @_tell.register
    def _to_everybody(self, event: outcome.ToEverybody) -> None:
        self.push(event.push)

    @_tell.register
    def _end_sessions(self, event: outcome.EndSessions) -> None:
        for session in self._named(event.account, event.device):
            self.leave(session)
            session.outlet.end(event.ended)

    @_tell.register
    def _ask_commit(self, event: outcome.AskCommit) -> None:
        self._ask(event)

    def ask_device(self, device: bytes, conversation: bytes, stands_on: int) -> bool:
        """Ask a device to commit a Remove; False when it is not connected."""
        session = self._by_device.get(device)
        if session is None:
            return False
        session.outlet.send(pack(CommitWanted(conversation, stands_on)))
        return True

    def _named(self, account: str | None, device: bytes | None) -> list[Session]:
        if device is not None:
            session = self._by_device.get(device)
            return [session] if session is not None else []
        return list(self._by_account.get(account, ())) if account is not None else []

    def _send(self, sessions: Iterable[Session], push: Push) -> None:
        data = None
        for session in sessions:
            if data is None:
                data = pack(push)
            session.outlet.send(data)


def _durable() -> None:
    """What is told from here on is on the disk."""
    reached("relay_durable")


@dataclass(slots=True)
class _Run:
    """Messages of one sender that follow each other."""

    outlet: Outlet
    answers: list[tuple[int, int]]
    entries: list[Entry]
    size: int = 0
    packed: bytes = b""

    def frame(self, conversation: bytes) -> bytes:
        """Return what others are sent."""
        if not self.packed:
            self.packed = pack(Entries(conversation, tuple(self.entries)))
        return self.packed


def _runs(said: outcome.Said, asked: Sequence[tuple[Outlet, int]]) -> list[_Run]:
    """Return the messages by sender, in the log's order, each run of a size that fits a frame."""
    runs: list[_Run] = []
    run: _Run | None = None
    for entry, place in zip(said.entries, said.askers, strict=True):
        outlet, rid = asked[place]
        if run is None or run.outlet is not outlet or run.size > MAX_FETCH_BYTES:
            run = _Run(outlet, [], [])
            runs.append(run)
        run.answers.append((rid, entry.seq))
        run.entries.append(entry)
        run.size += len(entry.message)
    return runs


def _fitting(event: outcome.Stored) -> list[tuple[Entry, ...]]:
    """Return the entries in runs that fit a frame each: hundreds of Removes do not fit one."""
    if len(event.entries) == 1:
        return [event.entries]
    runs: list[list[Entry]] = [[]]
    size = 0
    for entry in event.entries:
        size += len(entry.message)
        if runs[-1] and size > MAX_FETCH_BYTES:
            runs.append([])
            size = len(entry.message)
        runs[-1].append(entry)
    return [tuple(run) for run in runs]
