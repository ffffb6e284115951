"""Publishing KeyPackages and claiming them, one of a suite for each device of an account.

Never gives a one-time package twice, and never opens a door by it: the claimer checks the chains.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.suite import suite_by_number
from relay.context import Context, Who
from relay.outcome import Event, Outcome, ToDevices
from relay.rights import check_not_revoked
from storage.relay import account_rows, other_rows
from storage.relay.account_rows import Device
from wire.errors import Code, WireError
from wire.limits import KEY_PACKAGE_LIFETIME_S, KEY_PACKAGES_KEPT, KEY_PACKAGES_REFILL_AT
from wire.names import canonical_name
from wire.pushes import PackagesLow
from wire.replies import Claimed, Ok, Stock
from wire.requests import Claim, Publish
from wire.suites import SUITES


def publish(connection: Connection, context: Context, who: Who, request: Publish) -> Outcome:
    """Keep the device's packages; those that are there already stay as they are.

    Raises WireError: bad_request for a package that nobody could use, rate_limited for too many of
    its suite.
    """
    _check_suite(request.suite)
    device = account_rows.device_by_id(connection, who.device)
    assert device is not None
    check_not_revoked(device)  # in the same moment: its session ends only now
    rows = [_row(context, device, request.suite, each) for each in request.packages]
    last: list[dict[str, Any]] = []
    if request.last_resort is not None:
        last = [_row(context, device, request.suite, request.last_resort) | {"last_resort": True}]
    known = other_rows.known_references(connection, [row["reference"] for row in rows + last])
    fresh = {row["reference"]: row for row in rows if row["reference"] not in known}
    if _left(connection, device.id, request.suite) + len(fresh) > KEY_PACKAGES_KEPT:
        text = f"A device keeps at most {KEY_PACKAGES_KEPT} KeyPackages published. None was added."
        raise WireError(Code.RATE_LIMITED, text)
    new_last = [row for row in last if row["reference"] not in known | fresh.keys()]
    if new_last:
        other_rows.delete_last_resort(connection, device.id, request.suite)
    other_rows.insert_packages(connection, [*fresh.values(), *new_last])
    return Outcome(Ok(request.rid))


def stocks(connection: Connection, device_row: int) -> tuple[Stock, ...]:
    """Return what a device has published, for each suite of ours."""
    counts = other_rows.package_counts(connection, device_row)
    return tuple(Stock(suite, *counts.get(suite, (0, False))) for suite in SUITES)


def _check_suite(suite: int) -> None:
    if suite not in SUITES:
        raise WireError(Code.BAD_REQUEST, "Conversations do not use that cipher suite.")


def _left(connection: Connection, device_row: int, suite: int) -> int:
    return other_rows.package_counts(connection, device_row).get(suite, (0, False))[0]


def _row(context: Context, device: Device, suite: int, encoded: bytes) -> dict[str, Any]:
    now_s = context.now_ms() // 1000
    try:
        package = KeyPackage.decode(encoded)
        validate(package, now_s=now_s, max_lifetime_s=KEY_PACKAGE_LIFETIME_S)
    except PeerError as error:
        raise WireError(Code.BAD_REQUEST, f"A KeyPackage is not valid ({error.code}).") from None
    if package.suite_number != suite:
        raise WireError(Code.BAD_REQUEST, "A KeyPackage is of another suite than it is said to be.")
    if package.leaf_node.signature_key != device.signature_key:
        raise WireError(Code.BAD_REQUEST, "A KeyPackage is another device's.")
    lifetime = package.leaf_node.content.lifetime
    assert lifetime is not None  # validate saw it
    return {
        "device_id": device.id,
        "suite": suite,
        "last_resort": False,
        "reference": package.reference(suite_by_number(suite)),
        "not_after_s": min(lifetime.not_after_s, (1 << 63) - 1),
        "package": encoded,
    }


def claim(connection: Connection, context: Context, who: Who, request: Claim) -> Outcome:
    """Take one package of a suite for each device of an account (one's own: not the asking one's).

    Raises WireError: no_such_user, banned, bad_request. A device that has none of that suite is
    left out; it is named if it has others.
    """
    _check_suite(request.suite)
    account = account_rows.account_by_name(connection, canonical_name(request.account))
    if account is None:
        raise WireError(Code.NO_SUCH_USER, "There is nobody of that name. Nothing was sent.")
    if account.is_banned(context.now_ms()):
        text = f"{account.display} is banned. Nothing was sent."
        raise WireError(Code.BANNED, text, until_ms=account.banned_until_ms, name=account.name)
    suite, now_s = request.suite, context.now_ms() // 1000
    packages: list[tuple[bytes, bytes]] = []
    unsuited: list[bytes] = []
    events: list[Event] = []
    for device in account_rows.devices_of(connection, account.id):
        if device.device == who.device:
            continue
        package = other_rows.take_package(connection, device.id, suite=suite, now_s=now_s)
        if package is not None:
            packages.append((device.device, package))
            events += _refill(connection, device, suite)
        elif _speaks_others_only(connection, device.id, suite):
            unsuited.append(device.device)
    claimed = Claimed(
        request.rid,
        account.name,
        account.display,
        account.root_certificate,
        tuple(packages),
        tuple(unsuited),
    )
    return Outcome(claimed, tuple(events))


def _speaks_others_only(connection: Connection, device_row: int, suite: int) -> bool:
    counts = other_rows.package_counts(connection, device_row)
    return bool(counts) and suite not in counts


def _refill(connection: Connection, device: Device, suite: int) -> list[Event]:
    left = _left(connection, device.id, suite)
    if left >= KEY_PACKAGES_REFILL_AT:
        return []
    return [ToDevices((device.device,), PackagesLow(suite, left))]
