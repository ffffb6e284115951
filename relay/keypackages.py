"""Publishing KeyPackages and claiming them, one for each device of an account.

Never gives a one-time package twice, and never opens a door by it: the claimer checks the chains.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.suite import SUITE_1
from relay.context import Context, Who
from relay.outcome import Event, Outcome, ToDevices
from relay.rights import check_not_revoked
from storage.relay import account_rows, other_rows
from wire.errors import Code, WireError
from wire.limits import KEY_PACKAGE_LIFETIME_S, KEY_PACKAGES_KEPT, KEY_PACKAGES_REFILL_AT
from wire.names import canonical_name
from wire.pushes import PackagesLow
from wire.replies import Claimed, Ok
from wire.requests import Claim, Publish


def publish(connection: Connection, context: Context, who: Who, request: Publish) -> Outcome:
    """Keep the device's packages; those that are there already stay as they are.

    Raises WireError: bad_request for a package that nobody could use, rate_limited for too many.
    """
    device = account_rows.device_by_id(connection, who.device)
    assert device is not None
    check_not_revoked(device)  # in the same moment: its session ends only now
    rows = [_row(context, device.id, device.signature_key, each) for each in request.packages]
    last: list[dict[str, Any]] = []
    if request.last_resort is not None:
        row = _row(context, device.id, device.signature_key, request.last_resort)
        last = [row | {"last_resort": True}]
    known = other_rows.known_references(connection, [row["reference"] for row in rows + last])
    fresh = {row["reference"]: row for row in rows if row["reference"] not in known}
    count, _ = other_rows.package_counts(connection, device.id)
    if count + len(fresh) > KEY_PACKAGES_KEPT:
        text = f"A device keeps at most {KEY_PACKAGES_KEPT} KeyPackages published. None was added."
        raise WireError(Code.RATE_LIMITED, text)
    new_last = [row for row in last if row["reference"] not in known | fresh.keys()]
    if new_last:
        other_rows.delete_last_resort(connection, device.id)
    other_rows.insert_packages(connection, [*fresh.values(), *new_last])
    return Outcome(Ok(request.rid))


def _row(context: Context, device_row: int, device_key: bytes, encoded: bytes) -> dict[str, Any]:
    now_s = context.now_ms() // 1000
    try:
        package = KeyPackage.decode(encoded)
        validate(package, now_s=now_s, max_lifetime_s=KEY_PACKAGE_LIFETIME_S)
    except PeerError as error:
        raise WireError(Code.BAD_REQUEST, f"A KeyPackage is not valid ({error.code}).") from None
    if package.leaf_node.signature_key != device_key:
        raise WireError(Code.BAD_REQUEST, "A KeyPackage is another device's.")
    lifetime = package.leaf_node.content.lifetime
    assert lifetime is not None  # validate saw it
    return {
        "device_id": device_row,
        "last_resort": False,
        "reference": package.reference(SUITE_1),
        "not_after_s": min(lifetime.not_after_s, (1 << 63) - 1),
        "package": encoded,
    }


def claim(connection: Connection, context: Context, who: Who, request: Claim) -> Outcome:
    """Take one package for each device of an account (one's own: but for the asking device).

    Raises WireError: no_such_user, banned. A device that published none is left out.
    """
    account = account_rows.account_by_name(connection, canonical_name(request.account))
    if account is None:
        raise WireError(Code.NO_SUCH_USER, "There is nobody of that name. Nothing was sent.")
    if account.is_banned(context.now_ms()):
        text = f"{account.display} is banned. Nothing was sent."
        raise WireError(Code.BANNED, text, until_ms=account.banned_until_ms, name=account.name)
    now_s = context.now_ms() // 1000
    packages: list[tuple[bytes, bytes]] = []
    events: list[Event] = []
    for device in account_rows.devices_of(connection, account.id):
        if device.device == who.device:
            continue
        package = other_rows.take_package(connection, device.id, now_s)
        if package is not None:
            packages.append((device.device, package))
            events += _refill(connection, device.id, device.device)
    return Outcome(
        Claimed(
            request.rid, account.name, account.display, account.root_certificate, tuple(packages)
        ),
        tuple(events),
    )


def _refill(connection: Connection, device_row: int, device: bytes) -> list[Event]:
    left, _ = other_rows.package_counts(connection, device_row)
    return [ToDevices((device,), PackagesLow(left))] if left < KEY_PACKAGES_REFILL_AT else []
