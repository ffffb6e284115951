"""The device's KeyPackages at the relay: filled up when few are left, with one for when none is.

Never publishes a package whose private keys are not stored yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from crypto.mls.key_package import KeyPackage, make_key_package
from crypto.mls.key_package import OwnKeyPackage as OwnPackage
from crypto.mls.suite import suite_by_number
from engine.context import Context
from storage.client import key_packages as rows
from storage.client.settings import delete_setting, get_setting, put_setting
from wire.limits import KEY_PACKAGE_LIFETIME_S, KEY_PACKAGES_KEPT, KEY_PACKAGES_REFILL_AT
from wire.replies import Stock
from wire.requests import Publish
from wire.suites import CLASSICAL, SUITES

_LAST_RESORT_AGE_MS: Final = 30 * 86400 * 1000  # a third of its lifetime
# A Welcome to a package may wait in the inbox for the retention time after it was claimed.
_KEPT_MS: Final = 2 * KEY_PACKAGE_LIFETIME_S * 1000


def mark_last_resort_used(connection: Any, suite: int) -> None:
    """Note, in the transaction that joins with it, that a suite's last-resort package is spent."""
    put_setting(connection, _used(suite), b"1")


def _used(suite: int) -> str:
    # Without a number in stores from before there were two suites.
    return "last_resort_used" if suite == CLASSICAL else f"last_resort_used.{suite}"


class KeyPackages:
    """Keeps KEY_PACKAGES_KEPT single-use packages and a last-resort one published in each suite."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._one = asyncio.Lock()

    async def refill_all(self, stocks: Sequence[Stock]) -> None:
        """Publish what is missing in any suite of ours, `stocks` being there. Raises WireError."""
        there = {stock.suite: stock for stock in stocks}
        for suite in SUITES:
            stock = there.get(suite, Stock(suite, 0, False))
            await self.refill(suite, stock.left, has_last_resort=stock.has_last_resort)

    async def refill(self, suite: int, left: int, *, has_last_resort: bool = True) -> None:
        """Publish what is missing of a suite, `left` being still there. Raises WireError."""
        if suite not in SUITES:
            return  # the relay asks for what nobody would use
        async with self._one:
            wanted = KEY_PACKAGES_KEPT - left if left <= KEY_PACKAGES_REFILL_AT else 0
            renew = not has_last_resort or await self._context.store.query(
                lambda connection: self._is_stale(connection, suite)
            )
            if wanted <= 0 and not renew:
                return
            packages = await asyncio.to_thread(self._make, suite, max(0, wanted))
            last = await asyncio.to_thread(self._make, suite, int(renew), last_resort=True)
            await self._context.store.run(lambda connection: self._keep(connection, packages, last))
            # All of them fit a frame, however large they are (wire/limits.py).
            encoded = tuple(package.encoded for package in packages)
            last_resort = last[0].encoded if last else None
            await self._context.link.request(Publish(0, suite, encoded, last_resort))
            if last:
                used = _used(suite)
                await self._context.store.run(lambda connection: delete_setting(connection, used))

    def _make(self, suite: int, count: int, *, last_resort: bool = False) -> list[OwnPackage]:
        context = self._context
        config = context.keys.leaf_config(context.now_ms() // 1000)
        of = suite_by_number(suite)
        return [
            make_key_package(of, config, last_resort=last_resort, random=context.random)
            for _ in range(count)
        ]

    def _is_stale(self, connection: Any, suite: int) -> bool:
        kept = [
            row.created_at_ms
            for row in rows.list_key_packages(connection, last_resort=True)
            if _suite_of(row) == suite
        ]
        oldest_ms = self._context.now_ms() - _LAST_RESORT_AGE_MS
        is_used = get_setting(connection, _used(suite)) is not None
        return is_used or max(kept, default=0) < oldest_ms

    def _keep(self, connection: Any, packages: list[OwnPackage], last: list[OwnPackage]) -> None:
        now_ms = self._context.now_ms()
        for kind in (False, True):
            for old in rows.list_key_packages(connection, last_resort=kind):
                if old.created_at_ms < now_ms - _KEPT_MS:
                    rows.delete_key_package(connection, old.reference)
        for package in packages + last:
            row = rows.OwnKeyPackage(
                package.reference,
                package.to_bytes(),
                last_resort=package in last,
                created_at_ms=now_ms,
            )
            rows.add_key_package(connection, row)


def _suite_of(row: rows.OwnKeyPackage) -> int:
    return KeyPackage.decode(OwnPackage.from_bytes(row.encoded).encoded).suite_number
