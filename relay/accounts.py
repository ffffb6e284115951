"""Making an account: the checks, cheap ones first, and the row.

Never hashes a password itself: that takes a fifth of a second, and the caller has threads for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import Connection

from crypto.identity import Identity
from relay.admin_code import ADMIN_NAME, check_admin_code, use_up_admin_code
from relay.context import Context, Proof, Who
from relay.keypackages import stocks
from relay.proofs import check_chain, check_device_proof
from storage.relay import account_rows as rows
from storage.relay.account_rows import Account
from wire.emails import canonical_email
from wire.errors import Code, WireError
from wire.names import canonical_name, is_reserved, skeleton
from wire.passwords import check_password
from wire.replies import LoggedIn
from wire.requests import Register

MAX_SKELETON_CHARS = 255


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that is right in itself; whether its names are free is another question."""

    rid: int
    identity: Identity
    skeleton: str
    email: str | None
    admin_code: str | None = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    sealed_root: bytes = field(repr=False)


def check_registration(request: Register, proof: Proof) -> Registration:
    """Check everything that needs neither the database nor bcrypt.

    Raises WireError: bad_name, weak_password, bad_request, bad_credentials.
    """
    name = canonical_name(request.name)
    email = canonical_email(request.email) if request.email else None
    if name == ADMIN_NAME and not request.admin_code:
        text = "The name admin takes the code that the relay printed at its first start."
        raise WireError(Code.BAD_ADMIN_CODE, text)
    if is_reserved(name) and name != ADMIN_NAME:
        text = f"The name {name} is reserved. No account was made: choose another."
        raise WireError(Code.BAD_NAME, text)
    check_password(request.password, name, email=email)
    identity = check_chain(request.chain, name)
    check_device_proof(
        proof,
        request.proof,
        account=name,
        device=identity.device_id,
        device_key=identity.device_key,
    )
    looks_like = skeleton(name)
    if len(looks_like) > MAX_SKELETON_CHARS:
        raise WireError(Code.BAD_NAME, "The name's characters are too unusual: choose another.")
    code = request.admin_code if name == ADMIN_NAME else None
    return Registration(
        request.rid, identity, looks_like, email, code, request.chain, request.sealed_root
    )


def check_available(connection: Connection, wanted: Registration) -> None:
    """Raise WireError(name_taken, email_taken, bad_admin_code, bad_request) unless all is free."""
    if wanted.admin_code is not None:
        check_admin_code(connection, wanted.admin_code)
    if rows.account_by_name(connection, wanted.identity.account) is not None:
        text = "That name is taken. No account was made: choose another, or log in."
        raise WireError(Code.NAME_TAKEN, text)
    if rows.skeleton_taken(connection, wanted.skeleton):
        text = "That name looks like one that exists. No account was made: choose another."
        raise WireError(Code.NAME_TAKEN, text)
    if wanted.email and rows.account_by_email(connection, wanted.email) is not None:
        text = (
            "That e-mail address is in use. No account was made: log in with it, or leave it out."
        )
        raise WireError(Code.EMAIL_TAKEN, text)
    if rows.root_taken(connection, wanted.identity.root_identity):
        raise WireError(Code.BAD_REQUEST, "That identity key is another account's: make a new one.")
    if rows.device_by_id(connection, wanted.identity.device_id) is not None:
        raise WireError(Code.BAD_REQUEST, "That device key is in use: make a new one.")


def register(
    connection: Connection, context: Context, wanted: Registration, password_hash: str
) -> tuple[Who, LoggedIn]:
    """Store the account with its first device; return its session and the answer."""
    check_available(connection, wanted)
    identity, now_ms = wanted.identity, context.now_ms()
    account_id = rows.insert_account(
        connection,
        name=identity.account,
        display=identity.display,
        skeleton=wanted.skeleton,
        email=wanted.email,
        password_hash=password_hash,
        root=identity.root_identity,
        root_certificate=wanted.chain[1],
        sealed_root=wanted.sealed_root,
        is_admin=wanted.admin_code is not None,
        created_ms=now_ms,
    )
    if wanted.admin_code is not None:
        use_up_admin_code(connection)
    device_row = add_device(connection, account_id, identity, wanted.chain[0], now_ms=now_ms)
    account = rows.account_by_id(connection, account_id)
    return session(connection, context, account, identity.device_id, device_row, rid=wanted.rid)


def add_device(
    connection: Connection, account_id: int, identity: Identity, certificate: bytes, *, now_ms: int
) -> int:
    """Store a device of an account; return its row."""
    return rows.insert_device(
        connection,
        account_id=account_id,
        device=identity.device_id,
        signature_key=identity.device_key,
        key_hash=sha256(identity.device_key).digest(),
        certificate=certificate,
        added_ms=now_ms,
        seen_ms=now_ms,
    )


def session(
    connection: Connection,
    context: Context,
    account: Account,
    device: bytes,
    device_row: int,
    *,
    rid: int,
) -> tuple[Who, LoggedIn]:
    """Return who a connection is from now on, and the answer that says so."""
    now_ms = context.now_ms()
    reply = LoggedIn(
        rid,
        account.name,
        account.display,
        device,
        account.is_admin,
        stocks(connection, device_row),
        now_ms,
        account.muted_until_ms if account.is_muted(now_ms) else 0,
    )
    return Who(account.name, account.id, device, device_row, account.is_admin), reply
