"""Every kind of answer to every kind of question: only those that belong together pass."""

from __future__ import annotations

import asyncio
import typing
from pathlib import Path
from typing import Any

import pytest

from engine.answers import EXPECTED
from engine.dial import open_connection
from tests.engine.lying_relay import Lies, lying_relay
from wire import replies, requests
from wire.entry import Order, OrderKind
from wire.errors import Code, WireError
from wire.suites import HYBRID

ID, KEY, PROOF, CHAIN = bytes(16), bytes(32), bytes(64), (b"", b"")
ORDER = Order(OrderKind.LEAVE, "bob", KEY, b"", b"", "", 0)

QUESTIONS: dict[type, requests.Request] = {
    type(one): one
    for one in (
        requests.Register(0, "bob", None, "x", None, CHAIN, b"", PROOF),
        requests.Login(0, "bob", "x"),
        requests.Enroll(0, CHAIN, PROOF),
        requests.Resume(0, "bob", ID, PROOF),
        requests.Append(0, ID, b""),
        requests.Create(0, ID, b"", ()),
        requests.JoinInfo(0, ID),
        requests.Direct(0, KEY),
        requests.GetNodes(0, ID, ()),
        requests.Fetch(0, ID, 0),
        requests.Ack(0, ID, 0),
        requests.Heads(0),
        requests.GetInbox(0, 0),
        requests.AckInbox(0, 0),
        requests.Publish(0, HYBRID),
        requests.Claim(0, "bob", HYBRID),
        requests.Lookup(0, "bob"),
        requests.ListRooms(0),
        requests.Who(0),
        requests.Leave(0, ID, ORDER),
        requests.RevokeDevice(0, ID, ORDER),
        requests.ListDevices(0),
        requests.AdminAct(0, requests.Act.KICK, "bob"),
        requests.Announce(0, ""),
        requests.ListUsers(0),
        requests.ListAudit(0),
        requests.GetTally(0, ID, 0),
        requests.Logout(0),
    )
}


def answers(rid: int) -> list[Any]:
    """One answer of every kind, but Failed, which fits everywhere."""
    return [
        replies.Ok(rid),
        replies.Conflict(rid, 1),
        replies.Accepted(((rid, 1),)),
        replies.LoggedIn(rid, "bob", "bob", ID, False, (), 0),
        replies.AccountFound(rid, "bob", "bob", b"", b""),
        replies.Created(rid, ID),
        replies.JoinInfoFound(rid, ID, b"", 0, 0, 0),
        replies.Found(rid, None),
        replies.NodesFound(rid, ()),
        replies.Fetched(rid, (), 1, 0),
        replies.HeadList(rid, (), 0, False),
        replies.InboxFound(rid, (), 0),
        replies.Claimed(rid, "bob", "bob", b"", ()),
        replies.AccountInfo(rid, "bob", "bob", b"", False, False),
        replies.RoomList(rid, ()),
        replies.NameList(rid, ()),
        replies.DeviceList(rid, ()),
        replies.UserList(rid, ()),
        replies.AuditList(rid, ()),
        replies.TallyFound(rid, 0, 0, False),
        replies.ActDone(rid, "bob", "bob", False),
    ]


def test_every_request_has_its_answers() -> None:
    asked = set(typing.get_args(requests.Request)) - {requests.Hello}
    assert set(EXPECTED) == asked == set(QUESTIONS)
    told = set(typing.get_args(replies.Reply)) - {replies.RelayHello, replies.Failed}
    assert {type(one) for one in answers(0)} == told


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda one: type(one).__name__)
def test_a05_only_the_answers_of_a_question_pass(
    question: requests.Request, tmp_path: Path
) -> None:
    passed: set[type] = set()

    async def ask(kind: type) -> None:
        def answer(request: Any) -> list[Any]:
            return [one for one in answers(request.rid) if type(one) is kind]

        lies.answer = answer
        connection = await open_connection(address, pin=None, on_push=lambda push: None)
        try:
            passed.add(type(await connection.request(question)))
        except WireError as error:
            assert error.code is Code.BAD_REQUEST
            assert not connection.is_open
        await connection.close()

    async def work() -> None:
        nonlocal address
        async with lying_relay(lies, tmp_path) as address:
            for one in answers(0):
                await ask(type(one))

    lies, address = Lies(), None
    asyncio.run(asyncio.wait_for(work(), 60))
    assert passed == set(EXPECTED[type(question)])
