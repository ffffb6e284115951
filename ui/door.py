"""The client's flags, and which face they start.

Never loads a face that is not used: a script waits for nothing that only a terminal needs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ui.settings import Settings, load_settings
from wire.suites import DEFAULT_SUITE, SUITE_NAMES, suite_named

if TYPE_CHECKING:
    from engine.session import Session
    from ui.options import Options

DESCRIPTION = "Sotto: chat that is encrypted end to end, on a relay that you host yourself."
EPILOG = (
    "Each flag can also be set in the environment: SOTTO_SERVER, SOTTO_PROFILE, SOTTO_TRUST and so "
    "on; SOTTO_PASSWORD for what stands in --password-file. Then counts the settings file "
    "(SOTTO_SETTINGS, default: client.toml in your settings folder)."
)
SECRETS = ("password", "passphrase", "admin-code", "recovery-code")
DEBUG = "SOTTO_DEBUG"  # shows tracebacks of faults of ours
IDENTITIES = ("ed25519", "rsa")


def main(arguments: list[str]) -> int:
    """Run the client; return the exit status."""
    from wire.errors import WireError

    gc.disable()  # loading makes hardly any garbage, and looking for it takes a quarter of the time
    try:
        settings = load_settings()
        flags = parser(settings).parse_args(arguments)
        return asyncio.run(_run(flags, settings))
    except WireError as error:
        from ui.gate import clean_line

        print(clean_line(error.text), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        gc.enable()


def parser(settings: Settings | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line: flags, then environment, then settings file."""
    kept = settings or Settings()
    found = argparse.ArgumentParser(prog="client.py", description=DESCRIPTION, epilog=EPILOG)
    found.add_argument("link", nargs="?", help="a join link: sotto://HOST:PORT/#FINGERPRINT")
    found.add_argument("--server", default=_said("SERVER", kept.server), metavar="HOST:PORT")
    found.add_argument(
        "--profile",
        default=_said("PROFILE", kept.profile),
        metavar="DIR",
        help="where accounts and messages are kept, encrypted (default: your user data folder)",
    )
    faces = found.add_mutually_exclusive_group()
    faces.add_argument("--plain", action="store_true", help="line by line, also on a terminal")
    faces.add_argument("--json", action="store_true", help="JSON-RPC, one object a line")
    found.add_argument(
        "--trust",
        default=_said("TRUST", kept.trust),
        metavar="tofu|FINGERPRINT",
        help="which relay to trust at first contact, where nobody can be asked",
    )
    found.add_argument(
        "--identity",
        choices=IDENTITIES,
        default=_said("IDENTITY", kept.identity) or IDENTITIES[0],
        help="the kind of a new account's root key (default: ed25519)",
    )
    found.add_argument(
        "--suite",
        choices=tuple(SUITE_NAMES.values()),
        default=_said("SUITE", kept.suite) or SUITE_NAMES[DEFAULT_SUITE],
        help="what protects conversations that you begin (default: hybrid, against quantum "
        "computers too)",
    )
    _add_answers(found)
    return found


def _said(name: str, kept: str | None) -> str | None:
    return os.environ.get(f"SOTTO_{name}", kept)


def _add_answers(found: argparse.ArgumentParser) -> None:
    """Add the flags that answer the first run; secrets come in files, never on the command line."""
    answers = found.add_argument_group("answers to the first run")
    answers.add_argument("--name", default=os.environ.get("SOTTO_NAME"))
    answers.add_argument("--email", default=os.environ.get("SOTTO_EMAIL"))
    for name in SECRETS:
        answers.add_argument(
            f"--{name}-file", metavar="FILE", help=f"a file whose first line is the {name}"
        )


def _options(flags: argparse.Namespace, server: str | None) -> Options:
    from ui.options import Options

    secrets = {name.replace("-", "_"): _secret(flags, name) for name in SECRETS}
    return Options(
        server=server,
        trust=flags.trust,
        identity=flags.identity,
        name=flags.name,
        email=flags.email,
        **secrets,
    )


def _secret(flags: argparse.Namespace, name: str) -> str | None:
    """Return a secret from its file or the environment, which children do not get to see."""
    from wire.errors import Code, WireError

    variable = name.replace("-", "_")
    file = getattr(flags, f"{variable}_file")
    value = os.environ.pop(f"SOTTO_{variable.upper()}", None)
    if file is None:
        return value
    try:
        return Path(file).read_text("utf-8").split("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise WireError(Code.BAD_REQUEST, f"{file}, for the {name}, cannot be read.") from None


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Keep a fault of ours off the screen: the session has said that it connects anew."""
    if os.environ.get(DEBUG):
        loop.default_exception_handler(context)


async def _run(flags: argparse.Namespace, settings: Settings) -> int:
    asyncio.get_running_loop().set_exception_handler(_quiet)
    server = flags.link or flags.server

    def make_session() -> Session:
        from engine.session import Session

        profile = Path(flags.profile) if flags.profile else None
        suite = suite_named(flags.suite)
        session = Session.on(profile, server=server, trust=flags.trust, suite=suite)
        gc.freeze()  # what was loaded stays: nobody needs to look through it again
        gc.enable()
        return session

    if flags.json:
        from ui.jsonl.face import run, standard_output

        session = make_session()
        return await run(session, sys.stdin.buffer, standard_output())
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    can_draw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"  # Textual draws on stderr
    if is_terminal and can_draw and not flags.plain:
        return await _full_screen(make_session, _options(flags, server), settings)
    return await _plain(make_session(), _options(flags, server), is_terminal=is_terminal)


async def _full_screen(
    make_session: Callable[[], Session], options: Options, settings: Settings
) -> int:
    from ui.tui.app import SottoApp, ending

    app = SottoApp(make_session, options, settings)
    status = await app.run_async()
    last = ending(app)
    if last is not None:
        from ui.gate import clean_line

        print(clean_line(last), file=sys.stderr)
        if app.fault is not None and os.environ.get(DEBUG):
            traceback.print_exception(app.fault)
        return 1
    return status or 0


async def _plain(session: Session, options: Options, *, is_terminal: bool) -> int:
    from ui.lines.commands import holds_secret
    from ui.lines.face import Face
    from ui.lines.screen import PipeScreen, Screen, TerminalScreen

    face: Face
    screen: Screen
    if is_terminal:
        screen = TerminalScreen(lambda text: face.complete(text), holds_secret)  # noqa: PLW0108  (made below)
    else:
        screen = PipeScreen(sys.stdin.buffer, sys.stdout)
    face = Face(session, screen, options)
    return await face.run()
