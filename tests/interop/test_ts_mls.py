"""crypto.mls and ts-mls in the same groups: whatever happens, all members agree."""

from collections.abc import Iterator

import pytest

from crypto.mls.suite import SUITES
from tests.interop.events import EVENTS
from tests.interop.peer import Peer, missing
from tests.interop.session import Session

SEEDS = range(20)
EPOCHS = 200
EPOCHS_OF_OTHER_SUITES = 40  # most of their crypto is plain JavaScript

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer() as running:
        yield running


@pytest.mark.parametrize("seed", SEEDS)
def test_both_libraries_agree_in_every_epoch(peer: Peer, seed: int) -> None:
    session = Session(peer, seed)
    session.run(EPOCHS)
    assert session.epoch >= EPOCHS
    by_both = {(event.__name__, by) for event in EVENTS for by in ("ours", "theirs")}
    assert session.happened.keys() == by_both


@pytest.mark.parametrize("suite", sorted(SUITES.keys() - {1}))
def test_they_agree_in_every_other_suite(peer: Peer, suite: int) -> None:
    session = Session(peer, seed=suite, suite_number=suite)
    session.run(EPOCHS_OF_OTHER_SUITES)
    assert session.epoch >= EPOCHS_OF_OTHER_SUITES
