"""The first run on one screen: which relay, who, a password with its rule, how to lock this device.

Never sends a password that misses the rule, and never keeps one after it was sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Input, Static

from engine.session import Session
from ui.gate import clean, clean_line
from ui.lines.menu import ADMIN, DEFAULT_SERVER, NEW_IDENTITY
from ui.options import Options
from ui.tui.screens.dialogs import AskText, Confirm, button, words
from wire.errors import Code, WireError
from wire.link import format_fingerprint, parse_server
from wire.names import canonical_name
from wire.passwords import check_password, rule_state, suggest_password

_STRENGTH: Final = ("very weak", "weak", "fair", "good", "strong")
MAX_SCORED_CHARS: Final = 64  # what is longer is strong by its length
Attempt = Callable[[str | None], Awaitable[dict[str, Any]]]


def strength(password: str, name: str) -> str:
    """Return how hard a password is to guess, in words."""
    if len(password) > MAX_SCORED_CHARS:
        return _STRENGTH[-1]
    from zxcvbn import zxcvbn

    return _STRENGTH[zxcvbn(password, user_inputs=[name] if name else [])["score"]]


class EntryScreen(Screen[bool]):
    """True once an account is open, False to go back or close."""

    def __init__(self, session: Session, options: Options, *, has_keyring: bool, back: str) -> None:
        super().__init__()
        self._session, self._options = session, options
        self._has_keyring, self._back = has_keyring, back
        self._suggestion = suggest_password()

    def compose(self) -> ComposeResult:
        """See Screen."""
        lock = "the system's keyring" if self._has_keyring else "a key file of yours"
        with Vertical(id="form"):
            yield words("Sotto", classes="title")
            yield words("What you write is encrypted on this device; the relay cannot read it.\n")
            yield from self._row("Relay or link", "server", self._options.server or DEFAULT_SERVER)
            yield from self._row("Name", "name", self._options.name or "")
            yield from self._row("Password", "password", self._options.password or "", secret=True)
            yield Static(id="rules", markup=False)
            yield from self._row(
                "Device lock",
                "passphrase",
                self._options.passphrase or "",
                secret=True,
                hint=f"a passphrase, or empty: {lock}",
            )
            yield from self._row("Admin code", "code", self._options.admin_code or "")
            yield Static(id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield button("Register", id="register", primary=True)
                yield button("Log in", id="login")
                yield button(self._back, id="back")
            yield words(
                "\nEnter goes on, Tab moves, Ctrl+Q closes. Registering makes a new account;"
                " log in with one that you have.",
                classes="dim",
            )
            if self._options.admin_code:
                yield words(
                    "This relay is new. To run it, register the name admin: its code is filled in.",
                    classes="good",
                )

    def _row(
        self, label: str, id: str, value: str, *, secret: bool = False, hint: str = ""
    ) -> ComposeResult:
        with Horizontal(classes="row", id=f"{id}-row"):
            yield words(label, classes="label")
            yield Input(value=value, password=secret, placeholder=hint, id=id, compact=True)

    def on_mount(self) -> None:
        """Begin where the first answer is missing."""
        empty = [each for each in ("name", "password") if not self._value(each)]
        self.query_one(f"#{empty[0] if empty else 'register'}").focus()
        self._draw_rules()

    def _value(self, id: str) -> str:
        return self.query_one(f"#{id}", Input).value

    @on(Input.Changed)
    def _draw_rules(self) -> None:
        name, password = self._value("name"), self._value("password")
        self.query_one("#code-row").display = name.strip().lower() == ADMIN
        account = name.strip().lower()
        if not password:
            lines = [Content(f"8 characters or more. One ready made: {self._suggestion}")]
        else:
            lines = [
                Content.assemble(
                    ("✓ " if is_kept else "✗ ", "$success" if is_kept else "$error"), rule
                )
                for rule, is_kept in rule_state(password, account)
            ]
            lines.append(Content(f"  {strength(password, account)}"))
        self.query_one("#rules", Static).update(Content("\n").join(lines))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if event.input.id in ("server", "name") or not self._value("password"):
            self.focus_next()
        else:
            self._begin("register")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "back":
            self.dismiss(False)
        else:
            self._begin(str(event.button.id))

    def _begin(self, what: str) -> None:
        self._say("Registering ..." if what == "register" else "Logging in ...", is_bad=False)
        work = self._register() if what == "register" else self._login()
        self.run_worker(self._carry_out(work), exclusive=True)

    async def _carry_out(self, work: Awaitable[None]) -> None:
        try:
            await work
        except WireError as error:
            self._say(error.text)
        else:
            for id in ("password", "passphrase", "code"):
                self.query_one(f"#{id}", Input).value = ""
            self.dismiss(True)

    def _say(self, text: str, *, is_bad: bool = True) -> None:
        problem = self.query_one("#problem", Static)
        problem.set_class(not is_bad, "good")
        problem.update(Content(clean(text)))

    async def _register(self) -> None:
        name, password = self._value("name").strip(), self._value("password")
        parse_server(self._value("server"))
        check_password(password, canonical_name(name), email=self._options.email)
        is_admin = canonical_name(name) == ADMIN

        async def register(trust: str | None) -> dict[str, Any]:
            return await self._session.register(
                server=self._value("server"),
                name=name,
                password=password,
                email=self._options.email,
                identity=self._options.identity,
                admin_code=self._value("code").strip() or None if is_admin else None,
                trust=trust,
                passphrase=self._value("passphrase") or None,
            )

        await self._show_code(await self._trusting(register))

    async def _login(self) -> None:
        name, password = self._value("name").strip(), self._value("password")
        extra: dict[str, Any] = {
            "recovery_code": self._options.recovery_code,
            "new_identity": False,
            "passphrase": self._value("passphrase") or None,
        }

        async def login(trust: str | None) -> dict[str, Any]:
            return await self._session.login(
                server=self._value("server"), name=name, password=password, trust=trust, **extra
            )

        parse_server(self._value("server"))
        problem = ""
        while True:
            try:
                await self._show_code(await self._trusting(login))
                return
            except WireError as error:
                if error.code is not Code.BAD_RECOVERY_CODE:
                    raise
                problem = error.text if extra["recovery_code"] else ""
            await self._ask_recovery(extra, problem)

    async def _ask_recovery(self, extra: dict[str, Any], problem: str) -> None:
        """Ask for the recovery code: the password was right, and this device is new."""
        typed = await self.app.push_screen_wait(
            AskText(
                f"Recovery code (or type: {NEW_IDENTITY}):",
                above=f"{problem}\n"
                * bool(problem)
                + "This device is new to your account. Type the recovery code that you were given"
                f" when you registered. Lost it? Type {NEW_IDENTITY}: your contacts will be warned,"
                " and you come back into none of your conversations by yourself.",
            )
        )
        if not typed:
            raise WireError(Code.BAD_RECOVERY_CODE, "Not logged in: without the code it ends here.")
        extra["new_identity"] = typed.strip().lower() == NEW_IDENTITY
        extra["recovery_code"] = None if extra["new_identity"] else typed

    async def _trusting(self, attempt: Attempt) -> dict[str, Any]:
        """Do `attempt`, asking about a relay that this device meets for the first time."""
        try:
            return await attempt(self._options.trust)
        except WireError as error:
            shown = error.data.get("shown")
            is_first = error.code is Code.UNTRUSTED_RELAY and error.data.get("expected") is None
            if not is_first or not isinstance(shown, str):
                raise
        is_same = await self.app.push_screen_wait(
            Confirm(
                "This device does not know the relay yet. Its fingerprint is\n\n"
                f"    {format_fingerprint(clean_line(shown, cells=64))}\n\n"
                "Compare it with what the relay printed or whoever runs it told you.",
                yes="It is the same",
                no="Not the same, or not sure",
            )
        )
        if not is_same:
            raise WireError(Code.UNTRUSTED_RELAY, "Not connected, nothing was sent.")
        return await attempt(shown)

    async def _show_code(self, result: dict[str, Any]) -> None:
        code = result.get("recovery_code")
        if not code:
            return
        groups = str(code).split("-")
        half = (len(groups) + 1) // 2
        shown = f"    {'-'.join(groups[:half])}-\n    {'-'.join(groups[half:])}"
        text = (
            "Your recovery code, shown this once. Write it down: it brings your identity to"
            " another device, and without it a lost device is a lost identity.\n\n"
        )
        while not await self.app.push_screen_wait(
            Confirm(text + shown, yes="I have written it down", no="Show it longer")
        ):
            pass
