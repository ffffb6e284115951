"""A registration whose answer is lost is finished by the next log-in; a refused one is gone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.entering import Person, Where
from engine.profile import Profile
from engine.registration import Registration
from tests.engine.lying_relay import Lies, lying_relay
from tests.engine.test_session import NoKeyring
from tests.processes import PASSWORD
from wire import replies, requests
from wire.errors import Code, WireError

CUT = b"\xc1"  # no msgpack: the client ends the connection, and knows nothing


class Scene:
    """A profile, and a relay that answers as the test says."""

    def __init__(self, folder: Path) -> None:
        self.profile = Profile(folder / "profile", keyring=NoKeyring())
        self.registration = Registration(self.profile)
        self.lies = Lies()
        self.devices: list[bytes] = []

    def logs_in(self, request: Any) -> list[Any]:
        """Log any device in that names itself."""
        device = request.device
        self.devices.append(device)
        return [replies.LoggedIn(request.rid, "bob", "Bob", device, False, (), 1)]


def play(folder: Path, work: Any) -> None:
    """Run a scene on a lying relay."""

    async def run() -> None:
        scene = Scene(folder)
        async with lying_relay(scene.lies, folder) as address:
            where = Where(address, scene.lies.fingerprint)
            await asyncio.wait_for(work(scene, where), 60)

    asyncio.run(run())


async def refusal(work: Any) -> WireError:
    """Return the error that `work` ends with."""
    with pytest.raises(WireError) as caught:
        await work
    return caught.value


BOB = Person("Bob", PASSWORD)


def test_a_lost_answer_loses_neither_the_account_nor_its_code(tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        scene.lies.answer = lambda request: (CUT,)
        await refusal(scene.registration.register(where, BOB))
        assert len(scene.profile.list_accounts()) == 1  # its keys are the only ones there are
        scene.lies.answer = scene.logs_in
        entered = await scene.registration.login(where, BOB)
        assert entered.recovery_code is not None
        entered.connection.fail(WireError(Code.NOT_CONNECTED, ""))
        await entered.opened.release()
        again = await scene.registration.login(where, BOB)
        assert again.recovery_code is None  # shown once
        assert scene.devices[0] == scene.devices[1]
        await again.connection.close()
        await again.opened.release()

    play(tmp_path, work)


def test_registering_again_after_a_lost_answer_starts_anew(tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        scene.lies.answer = lambda request: (CUT,)
        for _ in range(2):
            await refusal(scene.registration.register(where, BOB))
            assert len(scene.profile.list_accounts()) == 1

    play(tmp_path, work)


@pytest.mark.parametrize("code", ["name_taken", "bad_admin_code", "weak_password", "rate_limited"])
def test_a_refusal_leaves_no_account(code: str, tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        scene.lies.answer = lambda request: (replies.Failed(request.rid, code, "No."),)  # type: ignore[union-attr]
        assert (await refusal(scene.registration.register(where, BOB))).code == code
        assert scene.profile.list_accounts() == []

    play(tmp_path, work)


def test_a82_a_log_in_as_somebody_else_is_refused(tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        def answer(request: Any) -> list[Any]:
            return [replies.LoggedIn(request.rid, "eve", "eve", bytes(16), True, (), 1)]

        scene.lies.answer = answer
        error = await refusal(scene.registration.register(where, BOB))
        assert error.code is Code.UNTRUSTED_RELAY
        assert scene.profile.list_accounts() == []

    play(tmp_path, work)


def test_a82_a_found_account_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        for account, display in (("bob", "eve"), ("bob\x1b[2J", "bob\x1b[2J"), ("BOB", "BOB")):

            def answer(request: Any, found: tuple[str, str] = (account, display)) -> list[Any]:
                return [replies.AccountFound(request.rid, *found, b"\0" * 99, b"\0" * 209)]

            scene.lies.answer = answer
            for code, new in ((None, True), ("0" * 56, False)):
                error = await refusal(
                    scene.registration.login(where, BOB, recovery_code=code, new_identity=new)
                )
                assert error.code in (Code.BAD_NAME, Code.BAD_RECOVERY_CODE, Code.UNAVAILABLE)
        assert scene.profile.list_accounts() == []

    play(tmp_path, work)


def test_the_password_and_the_code_are_in_no_repr(tmp_path: Path) -> None:
    async def work(scene: Scene, where: Where) -> None:
        heard: list[requests.Request] = scene.lies.heard
        scene.lies.answer = lambda request: (CUT,)
        await refusal(scene.registration.register(where, BOB))
        opened = await scene.profile.open_account(scene.profile.list_accounts()[0].id)
        await opened.release()
        assert PASSWORD not in f"{BOB!r} {heard!r} {scene.registration!r} {opened!r}"

    play(tmp_path, work)
