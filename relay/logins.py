"""Logging in: by password and device, by device alone, and with a new device.

Never hashes a password itself, and never says whether a name or a password was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from crypto.identity import Identity
from relay.accounts import add_device, session
from relay.context import Context, Proof, Who
from relay.outcome import EndSessions, Event, Outcome, ToEverybody
from relay.proofs import check_chain, check_device_proof
from relay.removals import revoke_devices
from relay.rights import check_not_banned, check_not_revoked
from storage.relay import account_rows as rows
from storage.relay.account_rows import Account, Device
from wire.emails import canonical_email
from wire.errors import Code, WireError
from wire.limits import MAX_MEMBER_DEVICES
from wire.names import canonical_name
from wire.pushes import Ended, EndReason, RootChanged
from wire.replies import AccountFound, DeviceInfo, DeviceList, LoggedIn
from wire.requests import Enroll, ListDevices, Login, Resume


@dataclass(frozen=True, slots=True)
class Candidate:
    """The account that a log-in names, with what its password is checked against."""

    account_id: int
    password_hash: str = field(repr=False)


def find_account(connection: Connection, typed: str) -> Candidate | None:
    """Return the account of a user name or e-mail address as typed, or None."""
    try:
        if "@" in typed:
            account = rows.account_by_email(connection, canonical_email(typed))
        else:
            account = rows.account_by_name(connection, canonical_name(typed))
    except WireError:
        return None
    return None if account is None else Candidate(account.id, account.password_hash)


def bad_credentials() -> WireError:
    """The one answer for a wrong name and a wrong password."""
    text = "The name or the password is wrong. Nothing was changed: try again."
    return WireError(Code.BAD_CREDENTIALS, text)


def log_in(
    connection: Connection, context: Context, candidate: Candidate, request: Login, proof: Proof
) -> tuple[Who | None, LoggedIn | AccountFound]:
    """Finish a log-in whose password was right: (session or None if Enroll must follow, answer).

    Raises WireError: banned, removed (the device was logged out for good), bad_credentials.
    """
    account = rows.account_by_id(connection, candidate.account_id)
    check_not_banned(context, account)
    device = None if request.device is None else rows.device_by_id(connection, request.device)
    if device is None or device.account_id != account.id or request.proof is None:
        return None, account_found(account, request.rid)
    return _enter(connection, context, account, device, proof, request.proof, rid=request.rid)


def account_found(account: Account, rid: int) -> AccountFound:
    """Return what a new device needs to become one of the account's."""
    return AccountFound(
        rid, account.name, account.display, account.root_certificate, account.sealed_root
    )


def resume(
    connection: Connection, context: Context, request: Resume, proof: Proof
) -> tuple[Who, LoggedIn]:
    """Log a known device in by its signature alone.

    Raises WireError: bad_credentials (also for an unknown device), removed, banned.
    """
    device = rows.device_by_id(connection, request.device)
    account = None if device is None else rows.account_by_id(connection, device.account_id)
    if device is None or account is None or account.name != request.account:
        text = "The relay does not know this device. Nothing was changed: log in with the password."
        raise WireError(Code.BAD_CREDENTIALS, text)
    return _enter(connection, context, account, device, proof, request.proof, rid=request.rid)


def _enter(
    connection: Connection,
    context: Context,
    account: Account,
    device: Device,
    proof: Proof,
    signature: bytes,
    *,
    rid: int,
) -> tuple[Who, LoggedIn]:
    check_device_proof(
        proof,
        signature,
        account=account.name,
        device=device.device,
        device_key=device.signature_key,
    )
    check_not_revoked(device)
    check_not_banned(context, account)
    context.seen.note(device.id, context.now_ms())
    return session(connection, context, account, device.device, device.id, rid=rid)


def enroll(
    connection: Connection, context: Context, account_id: int, request: Enroll, proof: Proof
) -> tuple[Who, Outcome]:
    """Add a device to the account whose password was right; repeating it logs the device in.

    With `new_identity` the account gets another root, and all other devices are logged out for
    good. Raises WireError: bad_request, bad_credentials, banned, removed, rate_limited.
    """
    account = rows.account_by_id(connection, account_id)
    check_not_banned(context, account)
    identity = check_chain(request.chain, account.name)
    check_device_proof(
        proof,
        request.proof,
        account=account.name,
        device=identity.device_id,
        device_key=identity.device_key,
    )
    events: tuple[Event, ...] = ()
    if identity.root_identity != account.root:
        if not request.new_identity:
            text = "The device stands under another identity. Nothing was changed."
            raise WireError(Code.BAD_REQUEST, text)
        events = _replace_root(connection, context, account, request, identity)
    device_row = _device_row(connection, context, account, identity, request.chain[0])
    account = rows.account_by_id(connection, account_id)
    who, reply = session(
        connection, context, account, identity.device_id, device_row, rid=request.rid
    )
    return who, Outcome(reply, events)


def _device_row(
    connection: Connection,
    context: Context,
    account: Account,
    identity: Identity,
    certificate: bytes,
) -> int:
    known = rows.device_by_id(connection, identity.device_id)
    if known is not None and known.account_id == account.id:
        check_not_revoked(known)
        return known.id
    if known is not None:
        raise WireError(Code.BAD_REQUEST, "That device key is in use: make a new one.")
    if len(rows.devices_of(connection, account.id)) >= MAX_MEMBER_DEVICES:
        text = f"The account has {MAX_MEMBER_DEVICES} devices. None was added: revoke one first."
        raise WireError(Code.RATE_LIMITED, text)
    return add_device(connection, account.id, identity, certificate, now_ms=context.now_ms())


def _replace_root(
    connection: Connection,
    context: Context,
    account: Account,
    request: Enroll,
    identity: Identity,
) -> tuple[Event, ...]:
    if request.sealed_root is None:
        raise WireError(Code.BAD_REQUEST, "A new identity comes with its sealed root key.")
    if rows.root_taken(connection, identity.root_identity):
        raise WireError(Code.BAD_REQUEST, "That identity key was used before: make a new one.")
    if rows.device_by_id(connection, identity.device_id) is not None:
        raise WireError(Code.BAD_REQUEST, "That device key is in use: make a new one.")
    old = rows.devices_of(connection, account.id)
    events = revoke_devices(connection, context, old, None)
    rows.retire_root(connection, account)
    rows.update_account(
        connection,
        account.id,
        display=identity.display,
        root=identity.root_identity,
        root_certificate=request.chain[1],
        sealed_root=request.sealed_root,
    )
    text = "The account has a new identity; this device was logged out for good."
    ended = Ended(EndReason.REVOKED, account.name, text)
    ends = [EndSessions(None, device.device, ended) for device in old]
    return (*events, *ends, ToEverybody(RootChanged(account.name)))


def list_devices(
    connection: Connection, context: Context, who: Who, request: ListDevices
) -> Outcome:
    """List the devices of one's own account, oldest first."""
    devices = tuple(
        DeviceInfo(
            each.device,
            each.added_ms,
            max(each.seen_ms, context.seen.of(each.id)),
            context.is_connected(each.device),
            each.device == who.device,
        )
        for each in rows.devices_of(connection, who.account_id)
    )
    return Outcome(DeviceList(request.rid, devices))


def write_seen(connection: Connection, context: Context, most: int) -> None:
    """Write so many of the times at which devices were here last."""
    rows.set_seen(connection, context.seen.take(most))
