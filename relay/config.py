"""The operator's settings: flags, then SOTTO_* environment, then a TOML file, then defaults.

Never touches the data folder or the network; a value that makes no sense is a StartError.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from relay.errors import StartError
from wire.errors import WireError
from wire.limits import MAX_QUERY_BYTES
from wire.link import parse_server

ENVIRONMENT_PREFIX: Final = "SOTTO_"
_MAX_CONFIG_BYTES: Final = 1 << 20
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("auto", "json", "console")
_RANGES: Final[dict[str, tuple[int, int]]] = {
    "port": (0, 65_535),
    "retention_days": (1, 3_650),
    "max_connections": (1, 1_000_000),
    "max_strangers": (1, 1_000_000),
    "max_strangers_per_address": (1, 1_000_000),
    "requests_per_s": (1, 10_000_000),
    "stored_mib_per_account": (1, 1 << 40),
    "conversations_per_account": (1, 1_000_000),
}


def default_data_folder() -> Path:
    """Return where a relay keeps its data when nobody says; the client looks there as well."""
    from platformdirs import user_data_path

    return user_data_path("sotto", appauthor=False) / "relay"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that an operator may set; the names are those of flags, variables and TOML keys.

    `database_url` and `bus` may carry a password. Counts are of connections, `*_days` of days.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    data: Path = field(default_factory=default_data_folder)
    database_url: str | None = field(default=None, repr=False)
    bus: str | None = field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    public: str | None = None  # HOST[:PORT] for the join link, when it is not `host`
    greeting: str = ""
    origins: tuple[str, ...] = ()  # browsers' Origins that may connect; none by default
    allow_lax_durability: bool = False
    metrics_address: str | None = None  # HOST:PORT of this machine, for /metrics and /healthz
    log_format: str = "auto"
    insecure: bool = False
    allow_root: bool = False
    log_addresses: bool = False
    log_level: str = "info"
    retention_days: int = 30
    max_connections: int = 20_000
    max_strangers: int = 4_000  # connections that have not logged in
    max_strangers_per_address: int = 2_000
    requests_per_s: int = 1_000  # of one connection, five times as many at once
    stored_mib_per_account: int = 2_048  # entries, trees and Welcomes that one account stored
    conversations_per_account: int = 1_000  # founded, not closed

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Return whether `host`, an address or a name, is this machine by its name alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT on this machine; raise StartError for anything else."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) >= 1 << 16 or not is_private(host):
        raise StartError(
            "--metrics-address is HOST:PORT, an address of this machine or a private network: "
            "what it shows is nobody else's business."
        )
    return host, int(port)


def is_private(host: str) -> bool:
    """Return whether `host` is localhost or an address that the internet does not reach."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified


def load(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None) -> Config:
    """Return the settings; `flags` holds only those given. Raises StartError naming the fault."""
    return explain(flags, environment, file)[0]


def explain(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None
) -> tuple[Config, dict[str, str]]:
    """Return the settings, and where each that is no default comes from. Raises StartError."""
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    given = [(f"--{name.replace('_', '-')}", name, value) for name, value in flags.items()]
    for source, name, value in (*_from_file(file), *_from_environment(environment), *given):
        values[name] = _convert(name, value, source)
        sources[name] = source
    config = Config(**values)
    _check(config)
    return config, sources


def _from_file(file: Path | None) -> list[tuple[str, str, Any]]:
    if file is None:
        return []
    try:
        with file.open("rb") as stream:
            table = tomllib.loads(stream.read(_MAX_CONFIG_BYTES).decode())
    except OSError as error:
        raise StartError(f"Cannot read {file}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartError(f"{file} is not TOML: {error}") from None
    unknown = sorted(set(table) - _NAMES)
    if unknown:
        raise StartError(f"{file}: there is no setting named {unknown[0]!r}.")
    return [(f"{file}: {name}", name, value) for name, value in table.items()]


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    found = []
    for name in sorted(_NAMES):
        key = ENVIRONMENT_PREFIX + name.upper()
        if key in environment:
            found.append((key, name, environment[key]))
    return found


_TYPES: Final[dict[str, str]] = {f.name: str(f.type) for f in dataclasses.fields(Config)}
_NAMES: Final = frozenset(_TYPES)


def _convert(name: str, value: Any, source: str) -> Any:
    kind = _TYPES[name]
    if kind == "int":
        return _integer(value, source)
    if kind == "bool":
        return _boolean(value, source)
    if kind.startswith("tuple"):
        return tuple(value.split(",") if isinstance(value, str) else map(str, value))
    if not isinstance(value, (str, Path)):
        raise StartError(f"{source} must be text.")
    return Path(value).expanduser() if kind.startswith("Path") else str(value)


def _integer(value: Any, source: str) -> int:
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise StartError(f"{source} must be a whole number.") from None


def _boolean(value: Any, source: str) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise StartError(f"{source} must be true or false.")
    return text in _TRUE


def _check(config: Config) -> None:
    if (config.tls_cert is None) != (config.tls_key is None):
        raise StartError("--tls-cert and --tls-key go together.")
    if config.insecure and not config.is_loopback:
        raise StartError("--insecure is for benchmarks on this machine: use --host 127.0.0.1.")
    if config.log_format not in LOG_FORMATS:
        raise StartError(f"The log format is one of: {', '.join(LOG_FORMATS)}.")
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(config, name) <= most:
            raise StartError(f"{name} is a number from {least} to {most}.")
    if config.metrics_address is not None:
        split_address(config.metrics_address)
    if config.log_level not in _LEVELS:
        raise StartError(f"The log level is one of: {', '.join(_LEVELS)}.")
    if len(config.greeting) > MAX_QUERY_BYTES:
        raise StartError(f"The greeting has at most {MAX_QUERY_BYTES} characters.")
    if config.public is not None:
        try:
            parse_server(config.public)
        except WireError as error:
            raise StartError(f"--public: {error.text}") from None
    if config.bus is not None:
        raise StartError("A bus between relays comes with a later version: leave --bus out.")


def shown(config: Config, sources: Mapping[str, str]) -> str:
    """Return each setting, its value and where it comes from, a line each; passwords hidden."""
    lines = []
    for name in sorted(_NAMES):
        value = getattr(config, name)
        text = "(none)" if value in (None, "", ()) else _text(value)
        lines.append(f"{name:26} {_without_password(text):40} {sources.get(name, 'default')}")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _without_password(text: str) -> str:
    """A URL without whatever in it may be a secret: user, password, and what its query sets."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        return text
    address, question, _query = rest.partition("?")
    _user, at, host = address.rpartition("@")
    return f"{scheme}://{'***@' if at else ''}{host}{'?***' if question else ''}"
