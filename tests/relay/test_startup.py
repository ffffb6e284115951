from pathlib import Path

import pytest

from relay.config import Config
from relay.errors import StartError
from relay.startup import bind, opened


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "oracle://u:canary@h/d",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://u:canary@h:port/d",
        "postgresql://u:canary@127.0.0.1:1/d",
        "mariadb://u:canary@127.0.0.1:1/d",
    ],
)
def test_a91_a_database_that_cannot_be_used_is_said_in_one_line_without_its_password(
    tmp_path: Path, url: str
) -> None:
    with (
        pytest.raises(StartError, match="database") as raised,
        opened(Config(data=tmp_path / "relay", database_url=url)),
    ):
        pass
    assert "canary" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_first_start_makes_an_admin_code_and_the_next_none(tmp_path: Path) -> None:
    config = Config(data=tmp_path / "relay")
    with opened(config) as first:
        assert first.admin_code is not None
    with opened(config) as second:
        assert second.admin_code is None
        assert second.context.signing_key.seed == first.context.signing_key.seed
        assert second.context.pepper == first.context.pepper


def test_a90_another_relays_database_is_refused(tmp_path: Path) -> None:
    with opened(Config(data=tmp_path / "one")):
        pass
    url = f"sqlite:///{tmp_path / 'one' / 'relay.db'}"
    with opened(Config(data=tmp_path / "two")):
        pass
    with (
        pytest.raises(StartError, match="another relay's"),
        opened(Config(data=tmp_path / "two", database_url=url)),
    ):
        pass


def test_a90_a_database_without_its_key_gets_no_new_one(tmp_path: Path) -> None:
    with opened(Config(data=tmp_path / "one")):
        pass
    url = f"sqlite:///{tmp_path / 'one' / 'relay.db'}"
    with (
        pytest.raises(StartError, match="missing beside the database"),
        opened(Config(data=tmp_path / "new", database_url=url)),
    ):
        pass
    assert not (tmp_path / "new" / "relay.key").exists()


def test_a_taken_port_leaves_nothing_open() -> None:
    (first,) = bind("127.0.0.1", 0)
    first.listen()
    with pytest.raises(StartError, match="Cannot listen"):
        bind("127.0.0.1", first.getsockname()[1])
    first.close()


def test_every_address_of_a_name_gets_the_same_port() -> None:
    sockets = bind("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()
