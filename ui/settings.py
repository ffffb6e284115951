"""The person's settings file (TOML): read once at the start, and the one line that a face changes.

Never holds a secret: passwords and codes are typed, or come from the environment.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct
from platformdirs import user_config_path

from wire.errors import Code, WireError

FILE: Final = "SOTTO_SETTINGS"
THEMES: Final = ("dark", "light", "high-contrast", "terminal")
Alert = Literal["off", "mentions", "all"]


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the file may say; a flag and an environment variable come before it.

    `bell`, `desktop`: what rings, and what is told to the desktop by the terminal (OSC 9), which
    then shows who wrote; only with `show_text` what they wrote. `title`: whether the terminal's
    title counts unread messages. `keys`: other keys by the names of ui/tui/keys.py.
    """

    server: str | None = None
    profile: str | None = None
    trust: str | None = None
    identity: Literal["ed25519", "rsa"] | None = None
    suite: str | None = None
    theme: Literal["dark", "light", "high-contrast", "terminal"] = "dark"
    bell: Alert = "mentions"
    desktop: Alert = "off"
    show_text: bool = False
    title: bool = True
    keys: dict[str, str] = {}


def settings_path() -> Path:
    """Return where the file is: SOTTO_SETTINGS, else the platform's place for settings."""
    named = os.environ.get(FILE)
    return Path(named) if named else user_config_path("sotto", appauthor=False) / "client.toml"


def load_settings(path: Path | None = None) -> Settings:
    """Return what the file says, the defaults without one; raise WireError(bad_request)."""
    path = path or settings_path()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise _unusable(path, error.strerror or "it cannot be read") from None
    try:
        return msgspec.toml.decode(raw, type=Settings)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error)) from None


def save_theme(theme: str, path: Path | None = None) -> None:
    """Put the theme into the file, leaving everything else in it as the person wrote it."""
    import tomlkit

    path = path or settings_path()
    document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else tomlkit.document()
    document["theme"] = theme
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(tomlkit.dumps(document), "utf-8")
    draft.replace(path)


def _unusable(path: Path, why: str) -> WireError:
    text = f"The settings file {path} cannot be used: {why}. Mend it, or move it away."
    return WireError(Code.BAD_REQUEST, text)
