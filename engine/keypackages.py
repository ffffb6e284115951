"""The device's KeyPackages at the relay: filled up when few are left, with one for when none is.

Never publishes a package whose private keys are not stored yet.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from crypto.mls.key_package import OwnKeyPackage, make_key_package
from crypto.mls.suite import SUITE_1
from engine.context import Context
from storage.client import key_packages as rows
from storage.client.settings import delete_setting, get_setting, put_setting
from wire.limits import KEY_PACKAGE_LIFETIME_S, KEY_PACKAGES_KEPT, KEY_PACKAGES_REFILL_AT
from wire.requests import Publish

_USED: Final = "last_resort_used"
_LAST_RESORT_AGE_MS: Final = 30 * 86400 * 1000  # a third of its lifetime
# A Welcome to a package may wait in the inbox for the retention time after it was claimed.
_KEPT_MS: Final = 2 * KEY_PACKAGE_LIFETIME_S * 1000


def mark_last_resort_used(connection: Any) -> None:
    """Note, in the transaction that joins with it, that the last-resort package is spent."""
    put_setting(connection, _USED, b"1")


class KeyPackages:
    """Keeps KEY_PACKAGES_KEPT single-use packages and a last-resort one published."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._one = asyncio.Lock()

    async def refill(self, left: int, *, has_last_resort: bool = True) -> None:
        """Publish what is missing, `left` being still there. Raises WireError."""
        async with self._one:
            wanted = KEY_PACKAGES_KEPT - left if left <= KEY_PACKAGES_REFILL_AT else 0
            renew = not has_last_resort or await self._context.store.query(self._is_stale)
            if wanted <= 0 and not renew:
                return
            packages = await asyncio.to_thread(self._make, max(0, wanted), last_resort=False)
            last = await asyncio.to_thread(self._make, int(renew), last_resort=True)
            await self._context.store.run(lambda connection: self._keep(connection, packages, last))
            encoded = tuple(package.encoded for package in packages)
            await self._context.link.request(Publish(0, encoded, last[0].encoded if last else None))
            if last:
                await self._context.store.run(lambda connection: delete_setting(connection, _USED))

    def _make(self, count: int, *, last_resort: bool) -> list[OwnKeyPackage]:
        context = self._context
        config = context.keys.leaf_config(context.now_ms() // 1000)
        return [
            make_key_package(SUITE_1, config, last_resort=last_resort, random=context.random)
            for _ in range(count)
        ]

    def _is_stale(self, connection: Any) -> bool:
        kept = rows.list_key_packages(connection, last_resort=True)
        oldest_ms = self._context.now_ms() - _LAST_RESORT_AGE_MS
        return (
            get_setting(connection, _USED) is not None
            or not kept
            or kept[-1].created_at_ms < oldest_ms
        )

    def _keep(
        self, connection: Any, packages: list[OwnKeyPackage], last: list[OwnKeyPackage]
    ) -> None:
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
