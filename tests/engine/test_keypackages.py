"""KeyPackages are stored before they are published, filled up when few are left, and renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.suite import suite_by_number
from engine.contacts import Contacts
from engine.context import Context
from engine.faults import SafeStore
from engine.keypackages import KeyPackages, mark_last_resort_used
from storage.client import key_packages as rows
from storage.client.thread import StoreThread
from tests.engine.test_contacts import Someone
from wire.errors import Code, WireError
from wire.limits import (
    KEY_PACKAGE_LIFETIME_S,
    KEY_PACKAGES_KEPT,
    KEY_PACKAGES_REFILL_AT,
)
from wire.replies import Ok, Reply, Stock
from wire.requests import Publish, Request
from wire.suites import CLASSICAL, HYBRID, SUITES

START_MS = 1_800_000_000_000
DAY_MS = 86_400_000


class Shelf:
    """A Link whose relay keeps what is published, and can be out of reach."""

    def __init__(self) -> None:
        self.published: list[Publish] = []
        self.is_connected = True

    async def request(self, frame: Request) -> Reply:
        """See engine.context.Link."""
        if not self.is_connected:
            raise WireError(Code.NOT_CONNECTED, "Offline.")
        assert isinstance(frame, Publish)
        self.published.append(frame)
        return Ok(0)


class Scene:
    """Alice's packages, her store, a shelf, and a clock that the test moves."""

    def __init__(self, store: SafeStore) -> None:
        self.store, self.shelf, self.now_ms = store, Shelf(), START_MS
        self.alice = Someone("alice")
        keys = self.alice.keys()

        def clock() -> int:
            return self.now_ms

        contacts = Contacts(keys, store, link=self.shelf, emit=lambda event: None, now_ms=clock)
        context = Context(
            keys=keys,
            store=store,
            link=self.shelf,
            contacts=contacts,
            relay_key=bytes(32),
            emit=lambda event: None,
            spawn=lambda work: work.close(),
            now_ms=clock,
        )
        self.packages = KeyPackages(context)

    async def kept(self, *, last_resort: bool = False) -> list[rows.OwnKeyPackage]:
        """The packages in the store."""
        return await self.store.query(
            lambda connection: rows.list_key_packages(connection, last_resort=last_resort)
        )


def play(folder: Path, work: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scene on a fresh store."""

    async def run() -> None:
        thread = await StoreThread.open(folder / "store.db", bytes(32), create=True)
        try:
            await work(Scene(SafeStore(thread)))
        finally:
            await thread.close()

    asyncio.run(run())


def test_the_first_filling_is_whole_and_valid(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.packages.refill_all(())
        assert [publish.suite for publish in scene.shelf.published] == list(SUITES)
        stored = {row.reference for row in await scene.kept()}
        last = {row.reference for row in await scene.kept(last_resort=True)}
        assert (len(stored), len(last)) == (len(SUITES) * KEY_PACKAGES_KEPT, len(SUITES))
        for publish in scene.shelf.published:
            assert len(publish.packages) == KEY_PACKAGES_KEPT
            assert publish.last_resort is not None
            for encoded in (*publish.packages, publish.last_resort):
                package = KeyPackage.decode(encoded)
                validate(package, now_s=START_MS // 1000, max_lifetime_s=KEY_PACKAGE_LIFETIME_S)
                assert package.suite_number == publish.suite
                assert set(package.leaf_node.capabilities.cipher_suites) == set(SUITES)
                assert package.leaf_node.credential.certificates == scene.alice.chain
                reference = package.reference(suite_by_number(publish.suite))
                assert reference in (last if package.is_last_resort else stored)
            assert KeyPackage.decode(publish.last_resort).is_last_resort

    play(tmp_path, work)


@pytest.mark.parametrize(
    ("left", "made"),
    [
        (KEY_PACKAGES_KEPT, 0),
        (KEY_PACKAGES_REFILL_AT + 1, 0),
        (KEY_PACKAGES_REFILL_AT, KEY_PACKAGES_KEPT - KEY_PACKAGES_REFILL_AT),
        (1, KEY_PACKAGES_KEPT - 1),
    ],
)
def test_few_are_filled_up(left: int, made: int, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.packages.refill(HYBRID, 0, has_last_resort=False)
        await scene.packages.refill(HYBRID, left)
        counts = [len(publish.packages) for publish in scene.shelf.published[1:]]
        assert counts == ([made] if made else [])

    play(tmp_path, work)


def test_nothing_is_published_whose_keys_are_not_stored(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        scene.shelf.is_connected = False
        with pytest.raises(WireError):
            await scene.packages.refill(HYBRID, 0, has_last_resort=False)
        assert len(await scene.kept()) == KEY_PACKAGES_KEPT  # stored first
        assert scene.shelf.published == []

    play(tmp_path, work)


@pytest.mark.parametrize("is_used", [True, False])
def test_the_last_resort_is_replaced_when_used_or_old(is_used: bool, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.packages.refill_all(())
        full = [Stock(suite, KEY_PACKAGES_KEPT, True) for suite in SUITES]
        if is_used:
            await scene.store.run(lambda connection: mark_last_resort_used(connection, CLASSICAL))
        else:
            scene.now_ms += 31 * DAY_MS
        for _ in range(2):
            await scene.packages.refill_all(full)
        renewed = [publish.suite for publish in scene.shelf.published[len(SUITES) :]]
        assert renewed == ([CLASSICAL] if is_used else list(SUITES))  # once, not again
        assert len(await scene.kept(last_resort=True)) == len(SUITES) + len(renewed)

    play(tmp_path, work)


def test_a_suite_that_only_the_relay_knows_gets_none(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.packages.refill_all([Stock(2, 0, False), Stock(2, 7, True)])
        await scene.packages.refill(2, 0, has_last_resort=False)
        assert [publish.suite for publish in scene.shelf.published] == list(SUITES)

    play(tmp_path, work)


def test_old_packages_are_deleted(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.packages.refill(HYBRID, 0, has_last_resort=False)
        scene.now_ms += 200 * DAY_MS
        await scene.packages.refill(HYBRID, 0)
        ages: list[Any] = [row.created_at_ms for row in await scene.kept()]
        assert ages == [scene.now_ms] * KEY_PACKAGES_KEPT

    play(tmp_path, work)
