import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from relay import control
from relay.cli import run
from relay.control import ControlSocket
from relay.errors import StartError
from relay.operator import Operator, job_of
from tests.relay.client import connect, new_device
from tests.relay.live import live, until
from wire import pushes, replies, requests
from wire.errors import WireError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which alice and bob have accounts."""

    async def people() -> None:
        async with live(tmp_path) as relay:
            for name in ("alice", "bob"):
                client = await connect(relay.port)
                assert isinstance(await client.register(new_device(name)), replies.LoggedIn)

    asyncio.run(people())
    return tmp_path / "relay"


def admin(data: Path, *command: str) -> int:
    return run(["admin", *command, "--data", str(data)])


def test_without_a_relay_the_commands_act_on_the_database(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin(data, "list") == 0
    assert admin(data, "promote", "alice") == 0
    assert admin(data, "ban", "Bob", "--reason", "spam\x1b[31m", "--for", "60") == 0
    assert admin(data, "list") == 0
    assert admin(data, "audit") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("There are no admins")
    assert lines[1:4] == ["Done: promote alice", "Done: ban bob", "alice"]
    assert "operator: ban bob until " in lines[4]
    assert lines[4].endswith("(spam [31m)")
    assert "operator: promote alice" in lines[5]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("kick", "nobody"), "nobody of that name"),
        (("ban", "bob", "--for", "soon"), "--for takes a whole number"),
        (("ban", "bob", "--for", "0"), "--for takes a whole number"),
        (("audit", "--limit", "-1"), "--limit takes a whole number"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], says: str
) -> None:
    assert admin(data, *command) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_new_admin_code_makes_the_admin(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin(data, "create") == 0
    code = capsys.readouterr().out.split()[-1]

    async def register() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            reply = await client.register(new_device("admin"), admin_code=code)
            assert reply.is_admin

    asyncio.run(register())
    assert admin(data, "create") == 1
    assert "The account admin exists" in capsys.readouterr().err


def test_a70_through_the_socket_a_command_takes_effect_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            folder = relay.belongings.folder
            socket = ControlSocket(folder, Operator(relay.relay.services).handle)
            await socket.start()
            assert (folder / "control").stat().st_mode & 0o777 == 0o600
            bob = await connect(relay.port)
            await bob.register(new_device("bob"))
            command = ["admin", "ban", "bob", "--data", str(folder)]
            assert await asyncio.to_thread(run, command) == 0
            await bob.wait_closed(timeout_s=1.0)
            assert bob.frames[-1].reason is pushes.EndReason.BANNED
            assert await asyncio.to_thread(run, ["admin", "kick", "x", "--data", str(folder)]) == 1
            socket.stop()
            assert await asyncio.to_thread(control.ask, folder, {"action": "list"}) is None

    asyncio.run(scenario())


def test_the_operator_tells_everybody_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            folder = relay.belongings.folder
            socket = ControlSocket(folder, Operator(relay.relay.services).handle)
            await socket.start()
            bob = await connect(relay.port)
            await bob.register(new_device("bob"))
            command = ["admin", "announce", "Back at nine.", "--data", str(folder)]
            assert await asyncio.to_thread(run, command) == 0
            notice = await bob.push(pushes.Notice)
            assert notice.kind is pushes.NoticeKind.ANNOUNCEMENT
            assert (notice.by, notice.text) == ("operator", "Back at nine.")
            for text in ("", " ", "x" * 5000):
                command[2] = text
                assert await asyncio.to_thread(run, command) == 1
            socket.stop()

    asyncio.run(scenario())
    said = capsys.readouterr()
    assert "everybody who is online" in said.out
    assert "at most 4096 bytes" in said.err


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"7", b'{"action": 7}', b'{"action": "fly"}'])
def test_nonsense_through_the_socket_is_answered_or_ignored(tmp_path: Path, line: bytes) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            folder = relay.belongings.folder
            socket = ControlSocket(folder, Operator(relay.relay.services).handle)
            await socket.start()
            reader, writer = await asyncio.open_unix_connection(str(folder / "control"))
            writer.write(line + b"\n")
            async with asyncio.timeout(20):
                answer = await reader.read()
            assert answer == b"" or b'"error"' in answer
            writer.close()
            socket.stop()

    asyncio.run(scenario())


def test_a_long_path_still_has_a_socket(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()

    async def echo(command: dict[str, Any]) -> dict[str, Any]:
        return {"lines": [command["action"]]}

    async def scenario() -> None:
        socket = ControlSocket(folder, echo)
        await socket.start()
        answer = await asyncio.to_thread(control.ask, folder, {"action": "hello"})
        assert answer == {"lines": ["hello"]}
        socket.stop()

    asyncio.run(scenario())


def test_a_relay_that_answers_nonsense_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def nonsense(_: dict[str, Any]) -> Any:
            return 7

        socket = ControlSocket(tmp_path, nonsense)
        await socket.start()
        with pytest.raises(StartError, match="did not answer"):
            await asyncio.to_thread(control.ask, tmp_path, {})
        socket.stop()

    asyncio.run(scenario())


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(WireError):
        job_of({"action": "drop tables"})


def test_whoever_waits_no_more_keeps_nobody_from_an_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(new_device("alice"))
            services = relay.relay.services
            begun, release = threading.Event(), threading.Event()

            def hold(_database: object) -> None:
                begun.set()
                release.wait(10)

            services.writer.submit(hold, lambda _result: None)
            await asyncio.to_thread(begun.wait)
            asked = asyncio.ensure_future(Operator(services).handle({"action": "list"}))
            await until(lambda: services.writer.waiting() >= 1)
            asked.cancel()
            rid = client.rid()
            client.send(requests.AckInbox(rid, 1))
            await until(lambda: services.writer.waiting() >= 2)
            release.set()
            assert await client.answer(rid) == replies.Ok(rid)

    asyncio.run(scenario())
