"""The operator's commands upon accounts, in a running relay or upon its database alone.

Never asks who the operator is: whoever can open the data folder is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection as Database

from relay import admin, control, datafolder
from relay.admin_code import ADMIN_NAME, replace_admin_code
from relay.config import Config
from relay.context import Context
from relay.errors import StartError
from relay.outcome import Outcome
from relay.remembered import write_remembered
from relay.services import Services
from relay.startup import opened
from storage.relay.account_rows import FOR_GOOD, account_by_name
from storage.relay.errors import Unavailable
from wire.errors import Code, WireError
from wire.replies import ActDone, UserInfo
from wire.requests import Act

PAGE: Final = 200
_MAX_SECONDS: Final = 1 << 40
Job: TypeAlias = Callable[[Database, Context], tuple[list[str], Outcome | None]]


def act(config: Config, action: str, given: Mapping[str, str]) -> int:
    """Carry out an admin command, through the relay if one runs; return the exit status.

    Raises StartError.
    """
    command = {"action": action, **given}
    folder = datafolder.open_folder(config.data)
    answer = control.ask(folder, command)
    if answer is None:
        answer = {"lines": _alone(config, command)}
    if "error" in answer:
        raise StartError(str(answer["error"]))
    sys.stdout.write("".join(f"{line}\n" for line in answer.get("lines", ())))
    return 0


def _alone(config: Config, command: Mapping[str, str]) -> list[str]:
    with opened(config) as belongings:
        try:
            job = job_of(command)
            with belongings.database.write() as database:
                return job(database, belongings.context)[0]
        except (WireError, Unavailable) as error:
            raise StartError(str(error)) from None


class Operator:
    """Carries out what comes through the control socket of a running relay."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do it, with all its effects; return the answer. Raises WireError."""
        services, job = self._services, job_of(command)
        done: asyncio.Future[list[str]] = services.loop.create_future()

        def finish(result: tuple[list[str], Outcome | None] | Exception) -> None:
            if not isinstance(result, Exception) and result[1] is not None:
                services.bus.tell(result[1], None)
            if done.done():  # whoever asked waits no more
                return
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result[0])

        services.writer.submit(lambda database: job(database, services.context), finish)
        return {"lines": await done}


def job_of(command: Mapping[str, Any]) -> Job:
    """Return what a command does in the database: (lines to show, what is to be told).

    Raises WireError(bad_request) for what is no command.
    """
    action = command.get("action")
    if action == "create":
        return _create
    if action == "list":
        return _list
    if action == "announce":
        return partial(_announce, text=str(command.get("text", "")))
    if action == "flush":
        return _flush
    if action == "audit":
        return _audit(_number(command, "limit") or PAGE)
    try:
        deed = Act(str(action))
    except ValueError:
        raise WireError(Code.BAD_REQUEST, "There is no such command.") from None
    name, reason = str(command.get("name", "")), str(command.get("reason", ""))
    return _deed(deed, name, reason, _number(command, "for"))


def _number(command: Mapping[str, Any], field: str) -> int | None:
    text = command.get(field)
    if text is None:
        return None
    try:
        number = int(str(text))
    except ValueError:
        number = 0
    if not 0 < number < _MAX_SECONDS:
        raise WireError(Code.BAD_REQUEST, f"--{field} takes a whole number above 0.")
    return number


def _create(database: Database, context: Context) -> tuple[list[str], None]:
    if account_by_name(database, ADMIN_NAME) is not None:
        text = "The account admin exists. Nothing was done: make others admins with `promote`."
        raise WireError(Code.NAME_TAKEN, text)
    code = replace_admin_code(database, context.random)
    return [
        "Register the name admin with this code; older ones are void.",
        f"Admin code   {code}",
    ], None


def _announce(database: Database, context: Context, text: str) -> tuple[list[str], Outcome]:
    outcome = admin.announce_as_operator(database, context, text)
    return ["Done: everybody who is online is told"], outcome


def _flush(database: Database, context: Context) -> tuple[list[str], None]:
    """Write what is only remembered: for a backup, which sees the database alone."""
    write_remembered(database, context)
    return [], None


def _list(database: Database, context: Context) -> tuple[list[str], None]:
    lines, after = [], ""
    while page := admin.users(database, context, after=after, limit=PAGE, admins=True):
        lines += [_user_line(user) for user in page]
        after = page[-1].account
    return lines or ["There are no admins: make one with `admin create`."], None


def _user_line(user: UserInfo) -> str:
    marks = [word for word, holds in _marks(user) if holds]
    return " ".join([user.account, *marks])


def _marks(user: UserInfo) -> tuple[tuple[str, bool], ...]:
    return (
        ("online", user.online),
        ("banned", user.banned_until_ms != 0),
        ("muted", user.muted_until_ms != 0),
    )


def _audit(limit: int) -> Job:
    def job(database: Database, _context: Context) -> tuple[list[str], None]:
        acts = admin.audit(database, before=None, limit=limit)
        lines = []
        for done in acts:
            until = "" if not done.until_ms else f" {_until(done.until_ms)}"
            why = f" ({done.reason})" if done.reason else ""
            lines.append(f"{_date(done.at_ms)}  {done.by}: {done.act} {done.name}{until}{why}")
        return lines or ["Nothing was done yet."], None

    return job


def _deed(deed: Act, name: str, reason: str, for_s: int | None) -> Job:
    def job(database: Database, context: Context) -> tuple[list[str], Outcome]:
        outcome = admin.act_as_operator(database, context, deed, name, reason=reason, for_s=for_s)
        assert isinstance(outcome.reply, ActDone)
        online = " (was online)" if outcome.reply.was_online else ""
        return [f"Done: {deed.value} {outcome.reply.account}{online}"], outcome

    return job


def _until(until_ms: int) -> str:
    return "for good" if until_ms == FOR_GOOD else f"until {_date(until_ms)}"


def _date(at_ms: int) -> str:
    # A time far off ("for a million years") is beyond what a date can hold.
    at_s = min(at_ms // 1000, int(datetime.max.replace(tzinfo=UTC).timestamp()) - 86400)
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
