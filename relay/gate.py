"""How much of what a device, an account or an address may ask for.

Never knows what a request does: a table says what it costs. Refuses with rate_limited, and when to
come back; nobody is locked out for good.
"""

from __future__ import annotations

from typing import Final

from relay.context import Who
from relay.throttle import Bucket, Rate, Throttle
from wire.errors import Code, WireError

BURST_S: Final = 5  # seconds' worth of requests that a connection may ask for at once
REQUESTS: Final = Rate(burst=1_000 * BURST_S, per_s=1_000)  # of one connection, by cost
COMMITS: Final = Rate(burst=120, per_s=5)  # of one device
EXTERNAL_COMMITS: Final = Rate(burst=12, per_s=1 / 30)  # of one account into one conversation
COMMIT_BYTES: Final = Rate(burst=4 << 20, per_s=256 << 10)  # of one account: they are all parsed
VERDICTS: Final = Rate(burst=8192, per_s=500)  # of one device
PACKAGES: Final = Rate(burst=400, per_s=5)  # KeyPackages that one device publishes
CREATIONS: Final = Rate(burst=60, per_s=0.2)  # of one account
LOOKUPS: Final = Rate(burst=120, per_s=2)  # of one account: names are not to be harvested
CLAIMS: Final = Rate(burst=20, per_s=1 / 300)  # of one account upon another's KeyPackages
OWN_CLAIMS: Final = Rate(burst=120, per_s=0.2)  # upon one's own: each new conversation takes some
GUESSES: Final = Rate(burst=10, per_s=1 / 60)  # of passwords, upon one account
LOGINS: Final = Rate(burst=60, per_s=0.5)  # with a password, from one address
REGISTRATIONS: Final = Rate(burst=30, per_s=1 / 60)  # from one address
REFUSED_COMMIT_COST: Final = 20.0  # what a commit costs that the members had undone


class Gate:
    """The buckets of everybody; the clock is a parameter.

    `requests`: of one connection, by cost.
    """

    def __init__(self, requests: Rate = REQUESTS) -> None:
        self.requests = requests
        self._commits = Throttle(COMMITS)
        self._external = Throttle(EXTERNAL_COMMITS)
        self._commit_bytes = Throttle(COMMIT_BYTES)
        self._verdicts = Throttle(VERDICTS)
        self._packages = Throttle(PACKAGES)
        self._creations = Throttle(CREATIONS)
        self._lookups = Throttle(LOOKUPS)
        self._claims = Throttle(CLAIMS)
        self._own_claims = Throttle(OWN_CLAIMS)
        self._guesses = Throttle(GUESSES)
        self._logins = Throttle(LOGINS)
        self._registrations = Throttle(REGISTRATIONS)

    def request(self, bucket: Bucket, cost: float, now_s: float) -> None:
        """One request on a connection."""
        _pass(bucket.take(self.requests, now_s, cost))

    def commit(self, who: Who, conversation: bytes, now_s: float, *, is_external: bool) -> None:
        """One commit, by a member or from outside."""
        if is_external:
            _pass(self._external.take((who.account_id, conversation), now_s))
        _pass(self._commits.take(who.device, now_s))

    def commit_undone(self, device: bytes, now_s: float) -> None:
        """A commit of the device was refused by most members."""
        self._commits.charge(device, now_s, REFUSED_COMMIT_COST)

    def commit_bytes(self, who: Who, size: int, now_s: float) -> None:
        """The bytes of a commit or a founding with all that it brings."""
        _pass(self._commit_bytes.take(who.account_id, now_s, size))

    def verdicts(self, who: Who, count: int, now_s: float) -> None:
        """Verdicts on commits, each a few statements."""
        _pass(self._verdicts.take(who.device, now_s, count))

    def packages(self, who: Who, count: int, now_s: float) -> None:
        """KeyPackages to publish, each with signatures to verify."""
        _pass(self._packages.take(who.device, now_s, count))

    def creation(self, who: Who, now_s: float) -> None:
        """One conversation founded."""
        _pass(self._creations.take(who.account_id, now_s))

    def lookup(self, who: Who, now_s: float) -> None:
        """One account or list of rooms looked up."""
        _pass(self._lookups.take(who.account_id, now_s))

    def claim(self, who: Who, account: str, now_s: float) -> None:
        """One account's KeyPackages claimed."""
        claims = self._own_claims if account == who.account else self._claims
        _pass(claims.take((who.account_id, account), now_s))

    def log_in(self, address: str | None, now_s: float) -> None:
        """One log-in with a password from an address."""
        if address is not None:
            _pass(self._logins.take(address, now_s))

    def guess(self, whom: int | str, now_s: float) -> None:
        """One password tried upon an account, or upon a name that has none."""
        _pass(self._guesses.take(whom, now_s))

    def guessed_right(self, whom: int | str, now_s: float) -> None:
        """The password was the account's: the try is given back."""
        self._guesses.charge(whom, now_s, -1.0)

    def registration(self, address: str | None, now_s: float) -> None:
        """One registration from an address."""
        if address is not None:
            _pass(self._registrations.take(address, now_s))


def _pass(wait_s: float) -> None:
    if wait_s > 0:
        text = f"Too many requests. Nothing was done: try again in {max(1, round(wait_s))} s."
        raise WireError(Code.RATE_LIMITED, text, retry_after_ms=int(wait_s * 1000) + 1)
