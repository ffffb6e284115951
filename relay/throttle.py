"""Token buckets per connection, account and address, in tables of bounded size.

Never sleeps and never reads a clock: it says whether something may happen now, else when.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

TABLE_SIZE: Final = 50_000  # about 8 MB when an attacker fills it


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, then `per_s` a second."""

    burst: float
    per_s: float


class Bucket:
    """One bucket; full at first."""

    __slots__ = ("at_s", "tokens")

    def __init__(self, rate: Rate, now_s: float) -> None:
        self.tokens = rate.burst
        self.at_s = now_s

    def has_one(self) -> bool:
        """Take one if it is there: without a clock, since what came since was not added yet."""
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def take(self, rate: Rate, now_s: float, cost: float = 1.0) -> float:
        """Take `cost` and return 0.0, or take nothing and return the seconds until it is there."""
        tokens = self.tokens
        if now_s > self.at_s:
            tokens = min(rate.burst, tokens + (now_s - self.at_s) * rate.per_s)
            self.at_s = now_s
        if tokens < cost:
            self.tokens = tokens
            return (cost - tokens) / rate.per_s
        self.tokens = tokens - cost
        return 0.0


class Throttle:
    """Buckets of one rate by key. Full of keys, it forgets the one not used for longest."""

    def __init__(self, rate: Rate, size: int = TABLE_SIZE) -> None:
        self._rate = rate
        self._size = size
        self._buckets: OrderedDict[object, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: object, now_s: float, cost: float = 1.0) -> float:
        """Take `cost` for `key`: 0.0, or the seconds to wait (nothing taken)."""
        return self._bucket(key, now_s).take(self._rate, now_s, cost)

    def charge(self, key: object, now_s: float, cost: float) -> None:
        """Take `cost` whether there or not (a debt must refill first); a negative one gives."""
        bucket = self._bucket(key, now_s)
        bucket.take(self._rate, now_s, 0.0)
        burst = self._rate.burst
        bucket.tokens = min(max(bucket.tokens - cost, -burst), burst)

    def _bucket(self, key: object, now_s: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._size:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = Bucket(self._rate, now_s)
        else:
            self._buckets.move_to_end(key)
        return bucket


def address_key(address: str) -> str | None:
    """Return what an address is counted as: IPv4 whole, IPv6 by its /64, loopback not at all.

    Loopback is the operator's own, or a proxy behind which everybody stands.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return address_key(str(parsed.ipv4_mapped))
        if not parsed.is_loopback:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
    return None if parsed.is_loopback else str(parsed)
