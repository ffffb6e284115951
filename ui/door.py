"""The client's flags, and which face they start.

Never loads a face that is not used: a script waits for nothing that only a terminal needs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from wire.suites import DEFAULT_SUITE, SUITE_NAMES, suite_named

DESCRIPTION = "Sotto: chat that is encrypted end to end, on a relay that you host yourself."
EPILOG = (
    "Each flag can also be set as SOTTO_SERVER, SOTTO_PROFILE, SOTTO_TRUST, SOTTO_IDENTITY, "
    "SOTTO_SUITE."
)
DEBUG = "SOTTO_DEBUG"  # shows tracebacks of faults of ours
IDENTITIES = ("ed25519", "rsa")


def main(arguments: list[str]) -> int:
    """Run the client; return the exit status."""
    flags = parser().parse_args(arguments)
    from wire.errors import WireError

    try:
        return asyncio.run(_run(flags))
    except WireError as error:
        from ui.gate import clean_line

        print(clean_line(error.text), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    found = argparse.ArgumentParser(prog="client.py", description=DESCRIPTION, epilog=EPILOG)
    found.add_argument("link", nargs="?", help="a join link: sotto://HOST:PORT/#FINGERPRINT")
    found.add_argument("--server", default=os.environ.get("SOTTO_SERVER"), metavar="HOST:PORT")
    found.add_argument(
        "--profile",
        default=os.environ.get("SOTTO_PROFILE"),
        metavar="DIR",
        help="where accounts and messages are kept, encrypted (default: your user data folder)",
    )
    faces = found.add_mutually_exclusive_group()
    faces.add_argument("--plain", action="store_true", help="the plain face, also on a terminal")
    faces.add_argument("--json", action="store_true", help="JSON-RPC, one object a line")
    found.add_argument(
        "--trust",
        default=os.environ.get("SOTTO_TRUST"),
        metavar="tofu|FINGERPRINT",
        help="which relay to trust at first contact, where nobody can be asked",
    )
    found.add_argument(
        "--identity",
        choices=IDENTITIES,
        default=os.environ.get("SOTTO_IDENTITY", IDENTITIES[0]),
        help="the kind of a new account's root key (default: ed25519)",
    )
    found.add_argument(
        "--suite",
        choices=tuple(SUITE_NAMES.values()),
        default=os.environ.get("SOTTO_SUITE", SUITE_NAMES[DEFAULT_SUITE]),
        help="what protects conversations that you begin (default: hybrid, against quantum "
        "computers too)",
    )
    return found


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Keep a fault of ours off the screen: the session has said that it connects anew."""
    if os.environ.get(DEBUG):
        loop.default_exception_handler(context)


async def _run(flags: argparse.Namespace) -> int:
    asyncio.get_running_loop().set_exception_handler(_quiet)
    from engine.session import Session

    server = flags.link or flags.server
    profile = Path(flags.profile) if flags.profile else None
    suite = suite_named(flags.suite)
    session = Session.on(profile, server=server, trust=flags.trust, suite=suite)
    if flags.json:
        from ui.jsonl.face import run, standard_output

        sink = standard_output()
        return await run(session, sys.stdin.buffer, sink)
    return await _plain(session, flags, server)


async def _plain(session: object, flags: argparse.Namespace, server: str | None) -> int:
    from engine.session import Session
    from ui.lines.commands import holds_secret
    from ui.lines.face import Face
    from ui.lines.menu import Options
    from ui.lines.screen import PipeScreen, Screen, TerminalScreen

    assert isinstance(session, Session)
    options = Options(server=server, trust=flags.trust, identity=flags.identity)
    face: Face
    screen: Screen
    if sys.stdin.isatty() and sys.stdout.isatty():
        screen = TerminalScreen(lambda text: face.complete(text), holds_secret)  # noqa: PLW0108  (made below)
    else:
        screen = PipeScreen(sys.stdin.buffer, sys.stdout)
    face = Face(session, screen, options)
    return await face.run()
