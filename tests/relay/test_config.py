import dataclasses
from pathlib import Path

import pytest

from relay.config import Config, explain, load, shown
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
        ({"retention_days": "0"}, "retention_days is a number from 1 to"),
        ({"requests_per_s": "0"}, "requests_per_s is a number from 1"),
        ({"stored_mib_per_account": "0"}, "stored_mib_per_account"),
        ({"log_format": "xml"}, "log format"),
        ({"metrics_address": "127.0.0.1"}, "--metrics-address"),
        ({"metrics_address": "127.0.0.1:70000"}, "--metrics-address"),
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


def test_each_setting_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "sotto.toml"
    file.write_text('greeting = "hello"\nport = 1\n')
    environment = {"SOTTO_DATABASE_URL": "postgresql://relay:s3cret@db/sotto"}
    text = shown(*explain({"port": "2"}, environment, file))
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert set(lines) == {f.name for f in dataclasses.fields(Config)}
    assert lines["greeting"].endswith(f"{file}: greeting")
    assert lines["port"].split() == ["port", "2", "--port"]
    assert lines["host"].split() == ["host", "127.0.0.1", "default"]
    assert lines["bus"].split() == ["bus", "(none)", "default"]
    assert lines["database_url"].endswith("SOTTO_DATABASE_URL")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://relay:s3cret@db/sotto",
        "postgresql://relay:s3c/s3cret@db/sotto",
        "postgresql://relay:s3cret x@db/sotto",
        "postgresql://relay:x@s3cret@db/sotto",
        "postgresql://db/sotto?user=relay&password=s3cret",
        "mariadb://relay:s3cret%40x@db/sotto?a=b",
        "nats://s3cret@bus:4222",
    ],
)
def test_a91_no_password_of_a_url_is_shown(url: str) -> None:
    text = shown(*explain({"database_url": url}, {}, None))
    assert "s3cret" not in text
    assert url.rpartition("@")[2].rpartition("://")[2].partition("?")[0] in text


@pytest.mark.parametrize("address", ["0.0.0.0:9", "8.8.8.8:9", "[::]:9", "example.org:9", ":9"])
def test_a85_metrics_are_not_for_the_internet(address: str) -> None:
    with pytest.raises(StartError, match="--metrics-address"):
        load({"metrics_address": address}, {}, None)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "localhost:9", "[::1]:9", "10.1.2.3:9"])
def test_metrics_may_be_served_privately(address: str) -> None:
    assert load({"metrics_address": address}, {}, None).metrics_address == address
