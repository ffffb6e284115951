from pathlib import Path

import pytest

from relay.config import Config, load
from relay.errors import StartError


def test_defaults_are_those_of_a_laptop() -> None:
    config = load({}, {}, None)
    assert (config.host, config.port, config.database_url) == ("127.0.0.1", 5000, None)
    assert config.is_loopback
    assert not config.insecure


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "sotto.toml"
    file.write_text('host = "::1"\nport = 1\ngreeting = "from the file"\n')
    environment = {"SOTTO_PORT": "2", "SOTTO_GREETING": "from the environment", "OTHER": "x"}
    config = load({"port": "3"}, environment, file)
    assert (config.host, config.port, config.greeting) == ("::1", 3, "from the environment")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"port": "x"}, "--port must be a whole number"),
        ({"port": "70000"}, "port"),
        ({"log_level": "loud"}, "log level"),
        ({"tls_cert": "a"}, "--tls-cert and --tls-key go together"),
        ({"insecure": True, "host": "0.0.0.0"}, "--insecure"),
        ({"retention_days": "0"}, "one day"),
        ({"bus": "nats://x"}, "--bus"),
        ({"public": "not a host"}, "--public"),
        ({"greeting": "x" * 257}, "greeting"),
    ],
)
def test_what_makes_no_sense_is_named(flags: dict[str, object], says: str) -> None:
    with pytest.raises(StartError, match=says):
        load(flags, {}, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ports = 1", "no setting named 'ports'"),
        ("port = ", "not TOML"),
        ("port = 1.5", "port must be a whole number"),
        ("port = true", "port must be a whole number"),
        ("insecure = 'maybe'", "true or false"),
        ("host = 7", "must be text"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "sotto.toml"
    file.write_text(text)
    with pytest.raises(StartError, match=says) as raised:
        load({}, {}, file)
    assert str(file) in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="Cannot read"):
        load({}, {}, tmp_path / "none.toml")


def test_lists_and_switches_come_from_every_source(tmp_path: Path) -> None:
    file = tmp_path / "sotto.toml"
    file.write_text('origins = ["https://a.example", "https://b.example"]\nlog_addresses = true\n')
    config = load({}, {}, file)
    assert config.origins == ("https://a.example", "https://b.example")
    assert config.log_addresses
    assert load({}, {"SOTTO_ORIGINS": "a,b", "SOTTO_ALLOW_ROOT": "1"}, None).origins == ("a", "b")


def test_a91_passwords_in_urls_do_not_show() -> None:
    config = Config(database_url="postgresql://u:canary@h/d", bus="nats://canary@h")
    assert "canary" not in repr(config)
