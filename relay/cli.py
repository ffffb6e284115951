"""The command line of the relay: serve, admin, backup, restore, doctor, config.

Never does the work: it reads flags, finds the settings, and says in one line what went wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from relay import config as settings
from relay.config import Config
from relay.errors import StartError

COMMANDS: Final = ("serve", "admin", "backup", "restore", "doctor", "config")
ACTS: Final = ("promote", "demote", "kick", "ban", "unban", "mute", "unmute")
_S = argparse.SUPPRESS
_INTERRUPTED: Final = 130


def run(arguments: Sequence[str]) -> int:
    """Return the exit status: 0, 1 for what the operator can mend, 2 for wrong usage."""
    given = list(arguments)
    if not given or given[0] not in (*COMMANDS, "-h", "--help"):
        given.insert(0, "serve")
    flags = vars(_parser().parse_args(given))
    command, action = flags.pop("command"), flags.pop("action", None)
    file = flags.pop("config", None) or os.environ.get("SOTTO_CONFIG")
    own: dict[str, str] = {name: flags.pop(name) for name in _OWN if name in flags}
    read = partial(settings.explain, flags, os.environ, Path(file) if file else None)
    try:
        return _run(command, action, read, own)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(
    command: str,
    action: str | None,
    read: Callable[[], tuple[Config, dict[str, str]]],
    own: dict[str, str],
) -> int:
    config, sources = read()
    # Each command loads its own part: `doctor` must start where `serve` cannot.
    if command == "serve":
        from relay.serve import serve

        return serve(config, lambda: read()[0])
    if command == "config":
        sys.stdout.write(settings.shown(config, sources))
        return 0
    if command == "admin":
        from relay.operator import act

        return act(config, action or "", own)
    if command == "doctor":
        from relay.doctor import examine

        return examine(config)
    from relay import keeping

    file = Path(own["file"])
    return keeping.backup(config, file) if command == "backup" else keeping.restore(config, file)


_OWN: Final[tuple[str, ...]] = ("name", "reason", "for", "file", "limit", "text")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="server.py", description="The relay of Sotto.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = _common_flags()
    serve = commands.add_parser("serve", parents=[common], help="run the relay (the default)")
    _add_serve_flags(serve)
    _add_admin(commands.add_parser("admin", help="accounts, also while the relay runs"), common)
    backup = commands.add_parser("backup", parents=[common], help="one file with everything")
    backup.add_argument("file", metavar="FILE")
    restore = commands.add_parser("restore", parents=[common], help="put a backup back")
    restore.add_argument("file", metavar="FILE")
    commands.add_parser("doctor", parents=[common], help="check folder, keys, database, clock")
    config = commands.add_parser(
        "config", parents=[common], help="every setting, and where it comes from"
    )
    _add_serve_flags(config)
    return parser


def _common_flags() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=_S)
    common.add_argument("--data", metavar="DIR", help="the data folder")
    common.add_argument("--database-url", metavar="URL", help="PostgreSQL or MariaDB/MySQL")
    common.add_argument("--config", metavar="FILE", help="a TOML file with these settings")
    return common


def _add_serve_flags(parser: argparse.ArgumentParser) -> None:
    def add(flag: str, text: str, metavar: str | None = None) -> None:
        if metavar is None:
            parser.add_argument(flag, action="store_true", default=_S, help=text)
        else:
            parser.add_argument(flag, metavar=metavar, default=_S, help=text)

    add("--host", "where to listen (127.0.0.1)", "HOST")
    add("--port", "where to listen (5000)", "PORT")
    add("--public", "the name in the join link", "HOST[:PORT]")
    add("--bus", "between several relays on one database", "URL")
    add("--tls-cert", "a certificate of your own (PEM)", "FILE")
    add("--tls-key", "its key (PEM)", "FILE")
    add("--greeting", "a line that clients show", "TEXT")
    add("--origins", "Origins of browsers that may connect, by commas", "LIST")
    add("--retention-days", "how long entries wait for readers (30)", "DAYS")
    add("--max-connections", "at once (20000)", "COUNT")
    add("--log-level", "debug, info, warning or error (info)", "LEVEL")
    add("--log-format", "auto, json or console (auto: console on a terminal)", "FORMAT")
    add("--metrics-address", "serve /metrics there, on this machine or privately", "HOST:PORT")
    add("--requests-per-s", "of one connection (1000)", "COUNT")
    add("--stored-mib-per-account", "what one account may have stored (2048)", "MIB")
    add("--allow-lax-durability", "a database that may lose what was acknowledged")
    add("--log-addresses", "log the addresses of those who connect")
    add("--allow-root", "run as root where the network reaches it")
    add("--insecure", "no TLS, on this machine only, for benchmarks")


def _add_admin(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("create", parents=[common], help="a new code to register the name admin")
    actions.add_parser("list", parents=[common], help="the admins")
    audit = actions.add_parser("audit", parents=[common], help="what admins did, newest first")
    audit.add_argument("--limit", metavar="COUNT", default=_S)
    announce = actions.add_parser("announce", parents=[common], help="tell everybody online")
    announce.add_argument("text", metavar="TEXT")
    for name in ACTS:
        act = actions.add_parser(name, parents=[common])
        act.add_argument("name", metavar="NAME")
        if name in ("kick", "ban", "mute"):
            act.add_argument("--reason", metavar="TEXT", default=_S)
        if name in ("ban", "mute"):
            act.add_argument("--for", metavar="SECONDS", default=_S, help="for good, if left out")
