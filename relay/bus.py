"""Who is connected, and the fan-out of what happened to them.

Never reads the database and never decides who may read: an event names its readers. A frame is
encoded once, whoever gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from itertools import chain

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

    def tell_said(self, said: outcome.Said, askers: Sequence[Outlet]) -> int:
        """Tell new messages: their senders that they are stored, all others what they are.

        Return to how many readers they went, the senders not counted.

        `askers`: the outlet of each place in the batch.
        """
        _durable()
        frames = [_frames(said.conversation, run.entries, run.size_bytes) for run in said.runs]
        places: dict[Outlet, list[int]] = {}
        for index, run in enumerate(said.runs):
            places.setdefault(askers[run.place], []).append(index)
        whole = b"".join(chain.from_iterable(frames))  # the same bytes for all who sent nothing
        by_device = self._by_device
        told = 0
        for device in said.readers:
            session = by_device.get(device)
            if session is not None and session.outlet not in places:
                session.outlet.send(whole)
                told += 1
        for outlet, own in places.items():
            start = 0
            for index in own:
                for others in frames[start:index]:
                    outlet.send_all(others)
                outlet.accept(said.runs[index].answers)
                start = index + 1
            for others in frames[start:]:
                outlet.send_all(others)
        return told

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
                size = sum([len(entry.message) for entry in event.entries])
                frames = _frames(event.conversation, event.entries, size)
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


def _frames(conversation: bytes, entries: Sequence[Entry], size_bytes: int) -> list[bytes]:
    if size_bytes <= MAX_FETCH_BYTES or len(entries) == 1:
        return [pack(Entries(conversation, tuple(entries)))]
    return [pack(Entries(conversation, some)) for some in _fitting(entries)]


def _fitting(entries: Sequence[Entry]) -> list[tuple[Entry, ...]]:
    """Return the entries in runs that fit a frame each: hundreds of Removes do not fit one."""
    runs: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        size += len(entry.message)
        if runs[-1] and size > MAX_FETCH_BYTES:
            runs.append([])
            size = len(entry.message)
        runs[-1].append(entry)
    return [tuple(run) for run in runs]
