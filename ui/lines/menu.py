"""The menu: log in, register, close; until an account is open. Asks again what was not right.

Never shows a password, and never sends one that misses the rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from engine.session import Session
from ui.gate import clean_line, clean_name
from ui.lines.screen import Screen
from ui.options import Options
from wire.emails import canonical_email
from wire.errors import Code, WireError
from wire.link import DEFAULT_PORT, format_fingerprint, parse_server
from wire.names import canonical_name
from wire.passwords import check_password, suggest_password

DEFAULT_SERVER = f"127.0.0.1:{DEFAULT_PORT}"
NEW_IDENTITY = "new identity"
ADMIN = "admin"
TRIES = 5  # then back to the menu, where Close is offered
YES = ("y", "yes")


class Choice(Enum):
    """What a line at the menu means."""

    LOGIN = auto()
    REGISTER = auto()
    CLOSE = auto()
    HELP = auto()
    UNKNOWN = auto()


_WORDS = {
    "l": Choice.LOGIN,
    "login": Choice.LOGIN,
    "r": Choice.REGISTER,
    "register": Choice.REGISTER,
    "c": Choice.CLOSE,
    "close": Choice.CLOSE,
    "q": Choice.CLOSE,
    "quit": Choice.CLOSE,
    "/quit": Choice.CLOSE,
    "/exit": Choice.CLOSE,
    "exit": Choice.CLOSE,
    "exit server!": Choice.CLOSE,
    "h": Choice.HELP,
    "help": Choice.HELP,
    "/help": Choice.HELP,
    "?": Choice.HELP,
}
MENU = "l  log in    r  register    c  close"
HELP = (
    "l or login: you have an account here, or bring one to this device.",
    "r or register: make an account. c or close: end.",
    "On one line: login NAME-OR-EMAIL PASSWORD, or register NAME EMAIL PASSWORD.",
)


@dataclass(frozen=True, slots=True)
class Typed:
    """A line at the menu: the choice and, on one line, the answers (the last takes the rest)."""

    choice: Choice
    answers: tuple[str, ...] = field(default=(), repr=False)


def parse_menu(line: str) -> Typed:
    """Return what a line at the menu means."""
    words = line.strip()
    choice = _WORDS.get(words.lower())
    if choice is not None:
        return Typed(choice)
    first, _, rest = words.partition(" ")
    first = first.lower().removeprefix("/")
    if first in ("l", "login"):
        return Typed(Choice.LOGIN, tuple(rest.split(maxsplit=1)))
    if first in ("r", "register"):
        return Typed(Choice.REGISTER, tuple(rest.split(maxsplit=2)))
    return Typed(Choice.UNKNOWN)


class Menu:
    """Asks on a screen, until the session has an account or the person closes."""

    def __init__(self, session: Session, screen: Screen, options: Options) -> None:
        self._session, self._screen, self._options = session, screen, options

    async def run(self) -> bool:
        """Return True with an account open, False to close. Raises Ended, Interrupted."""
        if await self._open_known():
            return True
        while True:
            typed = parse_menu(await self._screen.ask(f"{MENU}\n> "))
            if typed.choice is Choice.CLOSE:
                return False
            doing = {Choice.LOGIN: self._login, Choice.REGISTER: self._register}.get(typed.choice)
            if doing is None:
                for line in HELP:
                    self._screen.show(line)
                continue
            try:
                await doing(typed.answers)
                return True
            except WireError as error:
                self._screen.show(f"*** {clean_line(error.text)}")

    async def _open_known(self) -> bool:
        """Open an account of this profile, if there is one that no other window uses."""
        rows = await self._session.accounts()
        known = [row for row in rows if not row["in_use"]]
        for label in (clean_name(row["label"]) for row in rows if row["in_use"]):
            self._screen.show(f"--- {label} is open in another window")
        if not known:
            return False
        row = await self._choose(known) if len(known) > 1 else known[0]
        if row is None:
            return False
        if row["needs_passphrase"]:
            return await self._unlock(row)
        try:
            await self._session.unlock(account=row["id"])
        except WireError as error:
            self._screen.show(f"*** {clean_line(error.text)}")
            return False
        return True

    async def _choose(self, known: list[dict[str, Any]]) -> dict[str, Any] | None:
        for number, row in enumerate(known, 1):
            self._screen.show(f"  {number}  {clean_name(row['label'])}")
        typed = await self._screen.ask("Which account (Enter: the first, n: another one)? ")
        if not typed:
            return known[0]
        index = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 4 else 0
        return known[index - 1] if 1 <= index <= len(known) else None

    async def _unlock(self, row: dict[str, Any]) -> bool:
        for _ in range(TRIES):
            passphrase = await self._screen.ask_secret(
                f"Passphrase of this device for {clean_name(row['label'])}: "
            )
            try:
                await self._session.unlock(passphrase, account=row["id"])
                return True
            except WireError as error:
                self._screen.show(f"*** {clean_line(error.text)}")
                if error.code is not Code.BAD_PASSPHRASE:
                    return False
        return False

    async def _server(self) -> str:
        if self._options.server is not None:
            return self._options.server
        for _ in range(TRIES):
            typed = await self._screen.ask(
                f"Relay address or join link [{DEFAULT_SERVER}]: ", default=DEFAULT_SERVER
            )
            try:
                parse_server(typed)
                self._options.server = typed
                return typed
            except WireError as error:
                self._screen.show(f"*** {clean_line(error.text)}")
        raise WireError(Code.BAD_REQUEST, "No relay was named. Try again.")

    async def _register(self, answers: tuple[str, ...]) -> None:
        server = await self._server()
        given = self._options
        name = answers[0] if answers else given.name
        name = name or await self._ask_valid("Name: ", canonical_name)
        # "register NAME PASSWORD" is understood as well: an e-mail address has an @.
        email = answers[1] if len(answers) == 3 else given.email
        typed = answers[-1] if len(answers) > 1 else given.password
        if len(answers) == 3:
            canonical_email(answers[1])
        password = typed or await self._new_password(name, email)
        check_password(password, canonical_name(name), email=email)
        code = None
        if canonical_name(name) == ADMIN:
            question = "Admin code (the relay printed it at its first start): "
            code = given.admin_code or await self._screen.ask(question)
        passphrase = given.passphrase or await self._lock()

        async def register(trust: str | None) -> dict[str, Any]:
            return await self._session.register(
                server=server,
                name=name,
                password=password,
                email=email,
                identity=self._options.identity,
                admin_code=code,
                trust=trust,
                passphrase=passphrase,
            )

        result = await self._trusting(register)
        self._options.server = None
        self._show_recovery_code(result)

    async def _new_password(self, name: str, email: str | None) -> str:
        account = canonical_name(name)
        self._screen.show(
            "Your password: 8 characters or more with a capital letter and a digit, or 15\n"
            f"or more of any kind. One ready made: {suggest_password(name=account)}"
        )
        for _ in range(TRIES):
            password = await self._screen.ask_secret("Password: ")
            try:
                check_password(password, account, email=email)
                return password
            except WireError as error:
                self._screen.show(f"*** {clean_line(error.text)}. Try again.")
        raise WireError(Code.WEAK_PASSWORD, "No password was chosen; no account was made.")

    async def _lock(self) -> str | None:
        """Ask how to lock this device; not where a keyring does it, and not through a pipe."""
        if not self._screen.is_terminal or await self._session.has_keyring():
            return None
        self._screen.show(
            "This device keeps your messages encrypted. Lock them with a passphrase, or press\n"
            "Enter: then the key lies in a file beside them that only your user can read."
        )
        return await self._screen.ask_secret("Passphrase (Enter: key file): ") or None

    async def _login(self, answers: tuple[str, ...]) -> None:
        server = await self._server()
        given = self._options
        name = answers[0] if answers else given.name or await self._screen.ask("Name or e-mail: ")
        password = answers[1] if len(answers) > 1 else given.password
        password = password or await self._screen.ask_secret("Password: ")
        extra: dict[str, Any] = {
            "recovery_code": given.recovery_code,
            "new_identity": False,
            "passphrase": given.passphrase,
        }

        async def login(trust: str | None) -> dict[str, Any]:
            return await self._session.login(
                server=server, name=name, password=password, trust=trust, **extra
            )

        try:
            await self._trusting(login)
        except WireError as error:
            if error.code is not Code.BAD_RECOVERY_CODE or not self._screen.is_terminal:
                raise
            result = await self._login_here_first(login, extra)
            self._show_recovery_code(result)

    async def _login_here_first(
        self, login: Callable[[str | None], Awaitable[dict[str, Any]]], extra: dict[str, Any]
    ) -> dict[str, Any]:
        """The password was right, and this device is new to the account."""
        self._screen.show(
            "This device is new to your account. Type the recovery code that you were given\n"
            f"when you registered. Lost it? Type {NEW_IDENTITY}: your contacts will be warned,\n"
            "and you come back into none of your conversations by yourself."
        )
        is_lock_known = False
        for _ in range(TRIES):
            typed = await self._screen.ask("Recovery code: ")
            extra["new_identity"] = typed.strip().lower() == NEW_IDENTITY
            extra["recovery_code"] = None if extra["new_identity"] else typed
            if typed and not is_lock_known:
                extra["passphrase"], is_lock_known = await self._lock(), True
            try:
                return await self._trusting(login)
            except WireError as error:
                if error.code is not Code.BAD_RECOVERY_CODE:
                    raise
                self._screen.show(f"*** {clean_line(error.text)}")
        raise WireError(Code.BAD_RECOVERY_CODE, "Not logged in: without the code this is not you.")

    async def _trusting(
        self, attempt: Callable[[str | None], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Do `attempt`, asking about a relay that this device meets for the first time."""
        try:
            return await attempt(self._options.trust)
        except WireError as error:
            shown = error.data.get("shown")
            is_first = error.code is Code.UNTRUSTED_RELAY and error.data.get("expected") is None
            if not is_first or not isinstance(shown, str) or not self._screen.is_terminal:
                raise
        self._screen.show(
            "This device does not know the relay yet. Its fingerprint is\n"
            f"    {format_fingerprint(clean_line(shown, cells=64))}\n"
            "Compare it with what the relay printed or whoever runs it told you."
        )
        answer = await self._screen.ask("Is it the same (yes/no)? ")
        if answer.lower() not in YES:
            raise WireError(Code.UNTRUSTED_RELAY, "Not connected, nothing was sent.")
        return await attempt(shown)

    async def _ask_valid(self, prompt: str, check: Callable[[str], object]) -> str:
        for _ in range(TRIES):
            typed = await self._screen.ask(prompt)
            try:
                check(typed)
                return typed
            except WireError as error:
                self._screen.show(f"*** {clean_line(error.text)}")
        raise WireError(Code.BAD_NAME, "No name was chosen; no account was made.")

    def _show_recovery_code(self, result: dict[str, Any]) -> None:
        code = result.get("recovery_code")
        if not code:
            return
        groups = str(code).split("-")
        half = (len(groups) + 1) // 2
        self._screen.show(
            "Your recovery code, shown this once. Write it down: it brings your identity to\n"
            "another device, and without it a lost device is a lost identity.\n\n"
            f"    {'-'.join(groups[:half])}-\n    {'-'.join(groups[half:])}\n"
        )
