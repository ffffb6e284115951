"""ui.settings: what the file may say, what is refused in words, and the one line that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui.door import parser
from ui.settings import Settings, load_settings, save_theme
from wire.errors import WireError


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.toml") == Settings()


@pytest.mark.parametrize(
    "text", ['theme = "pink"', "thme = 1", "bell = 3", "x = = y", '[keys]\nhelp = ["f1"]', "\xff"]
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "client.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(WireError, match=r"client\.toml cannot be used: .+ Mend it"):
        load_settings(path)


def test_the_theme_is_kept_and_the_rest_stays_as_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "client.toml"
    save_theme("light", path)
    path.write_text("# mine\n" + path.read_text() + '\n[keys]\nhelp = "f11"  # because\n')
    save_theme("high-contrast", path)
    assert path.read_text().startswith("# mine")
    assert "# because" in path.read_text()
    kept = load_settings(path)
    assert (kept.theme, kept.keys) == ("high-contrast", {"help": "f11"})


def test_flags_before_environment_before_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOTTO_SERVER", raising=False)
    file = Settings(server="file:1", suite="classical")
    assert parser(file).parse_args([]).server == "file:1"
    assert parser(file).parse_args([]).suite == "classical"
    monkeypatch.setenv("SOTTO_SERVER", "environment:2")
    assert parser(file).parse_args([]).server == "environment:2"
    assert parser(file).parse_args(["--server", "flag:3"]).server == "flag:3"


def test_the_relays_configuration_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make chat` starts both programs with one environment."""
    relays = tmp_path / "relay.toml"
    relays.write_text('host = "0.0.0.0"\n')
    monkeypatch.setenv("SOTTO_CONFIG", str(relays))
    monkeypatch.setenv("SOTTO_SETTINGS", str(tmp_path / "none.toml"))
    assert load_settings() == Settings()
