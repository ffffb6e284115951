"""A session under a relay that answers and pushes at random: it stays bounded and alive."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import pytest

from crypto.identity import verify_chain
from engine.events import Event
from engine.profile import Profile
from engine.session import Session
from tests.engine.lying_relay import Lies, lying_relay
from tests.engine.test_session import NoKeyring
from tests.processes import PASSWORD
from wire import pushes, replies, requests
from wire.errors import WireError
from wire.policy import Kind
from wire.suites import HYBRID


class Liar:
    """Answers that fit the question, with contents by chance; and pushes nobody waits for."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.lies = Lies(answer=self.answer)
        self._ids = [self._bytes(16) for _ in range(3)]
        self.said = 0

    def _bytes(self, size: int) -> bytes:
        return self._chance.randbytes(size)

    def _id(self) -> bytes:
        return self._chance.choice(self._ids)

    def _seq(self) -> int:
        return self._chance.choice([0, 1, 2, 7, 1 << 40, (1 << 63) - 1])

    def _junk(self) -> bytes:
        return self._bytes(self._chance.choice([0, 1, 40, 3000]))

    def _left(self) -> int:
        return self._chance.choice([0, 7, 1 << 60])

    def _stocks(self) -> tuple[replies.Stock, ...]:
        suites = self._chance.choices([1, HYBRID, 9], k=3)
        return tuple(replies.Stock(one, self._left(), False) for one in suites)

    def _logged_in(self, rid: int, account: str, device: bytes) -> replies.LoggedIn:
        return replies.LoggedIn(rid, account, account, device, True, self._stocks(), 1)

    def _entry(self) -> replies.Entry:
        return replies.Entry(self._seq(), 0, self._junk())

    def answer(self, request: Any) -> list[Any]:
        """Log devices in truly, then lie."""
        if isinstance(request, requests.Register):
            identity = verify_chain(request.chain)
            account, device = identity.account, identity.device_id
            return [self._logged_in(request.rid, account, device)]
        if isinstance(request, requests.Resume):
            account, device = request.account, request.device
            return [self._logged_in(request.rid, account, device)]
        self.said += 1
        if self.said > 400:
            return []  # a client that asks for ever gets no answer any more
        said = [self._push() for _ in range(self._chance.randrange(4))]
        return [*said, self._reply(request)]

    def _reply(self, request: Any) -> Any:
        rid = request.rid
        if self._chance.random() < 0.2:
            code = self._chance.choice(["unavailable", "forbidden", "removed", "room_exists"])
            return replies.Failed(rid, code, "?", {"conversation": self._junk().hex()[:64]})
        match request:
            case requests.Publish() | requests.Ack() | requests.AckInbox() | requests.Logout():
                return replies.Ok(rid)
            case requests.Create():
                return replies.Created(rid, request.conversation)
            case requests.JoinInfo():
                info = (self._junk(), self._seq(), self._seq(), self._seq())
                return replies.JoinInfoFound(rid, self._id(), *info)
            case requests.Heads():
                kinds = self._chance.choices(list(Kind), k=3)
                heads = tuple(
                    self._head(one, kind) for one, kind in zip(self._ids, kinds, strict=True)
                )
                return replies.HeadList(rid, heads, self._seq(), self._chance.random() < 0.5)
            case requests.Fetch():
                entries = tuple(self._entry() for _ in range(3))
                return replies.Fetched(rid, entries, self._seq(), self._seq())
            case requests.GetInbox():
                one = replies.InboxEntry(self._seq(), self._id(), self._seq(), self._junk())
                return replies.InboxFound(rid, (one,), self._seq())
            case requests.GetNodes():
                return replies.NodesFound(rid, (self._junk(), self._junk()))
            case requests.Append():
                if self._chance.random() < 0.5:
                    return replies.Conflict(rid, self._seq(), self._chance.random() < 0.5)
                return replies.Accepted(((rid, self._seq()),))
            case requests.Direct():
                return replies.Found(rid, self._chance.choice([None, self._id()]))
            case requests.Claim():
                packages = ((self._id(), self._junk()),)
                return replies.Claimed(rid, "bob", "bob", self._junk(), packages, (self._id(),))
            case requests.Lookup():
                return replies.AccountInfo(rid, "bob", "Bob", self._junk(), True, False)
            case requests.GetTally():
                return replies.TallyFound(rid, 3, 5, True)
        return replies.Failed(rid, "unavailable", "?")

    def _head(self, conversation: bytes, kind: Kind) -> replies.Head:
        name = self._chance.choice(["", "lobby", "room", "\x1b[2J", "x" * 200])
        flags = (self._chance.random() < 0.5, self._chance.random() < 0.5)
        return replies.Head(conversation, kind, name, self._seq(), self._seq(), *flags)

    def _push(self) -> Any:
        entry = replies.InboxEntry(self._seq(), self._id(), self._seq(), self._junk())
        return self._chance.choice(
            [
                pushes.Entries(self._id(), (self._entry(), self._entry())),
                pushes.InboxPush(entry),
                pushes.Presence((("eve\x1b[2J", "eve", True), ("bob", "Bob", False))),
                pushes.Notice(pushes.NoticeKind.MUTED, "alice", "alice", "?", "x" * 1000, -1),
                pushes.CommitWanted(self._id(), self._seq()),
                pushes.Tally(self._id(), self._seq(), 1, 9, True),
                pushes.Undone(self._id(), self._seq()),
                pushes.PackagesLow(self._chance.choice([1, HYBRID, 9]), self._left()),
                pushes.ConversationChanged(self._id()),
                pushes.RootChanged("bob"),
            ]
        )


@pytest.mark.parametrize("seed", range(6))
def test_a82_a_relay_that_lies_at_random_neither_stops_nor_floods_the_client(
    seed: int, tmp_path: Path
) -> None:
    faults: list[dict[str, Any]] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        liar = Liar(seed)
        heard: list[Event] = []
        profile = Profile(tmp_path / "profile", keyring=NoKeyring())
        async with lying_relay(liar.lies, tmp_path) as address:
            session = Session(profile, server=address.server)
            session.subscribe(heard.append)
            await session.register("alice", PASSWORD, trust="tofu")
            for ask in (
                session.send("#lobby", "one", wait="stored"),
                session.send("@bob", "two", wait="stored"),
                session.join_room("room"),
                session.create_room("mine"),
                session.rooms(),
                session.who(),
                session.sync(timeout_s=0.5),
                session.safety_number("bob"),
                session.conversations(),
            ):
                try:
                    async with asyncio.timeout(2):
                        await ask
                except (WireError, TimeoutError):
                    continue
            texts = [row["text"] for row in await session.outbox()]
            assert (await session.whoami())["account"] == "alice"
            async with asyncio.timeout(10):
                await session.close()
            assert len(heard) < 5000
        again = Session(profile, server=address.server)  # what it kept opens again
        await again.unlock()
        assert [row["text"] for row in await again.outbox()] == texts
        await again.close()

    asyncio.run(asyncio.wait_for(work(), 120))
    assert faults == []
    assert os.path.getsize(next(tmp_path.glob("profile/accounts/*/store.db"))) < 5 << 20
