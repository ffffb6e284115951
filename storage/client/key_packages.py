"""The device's own KeyPackages, with the private keys that open a Welcome to them.

Never gives a single-use package out twice: taking it deletes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, func, select

from storage.client.schema import own_key_packages


@dataclass(frozen=True, slots=True)
class OwnKeyPackage:
    """A KeyPackage as it was made, by its reference (RFC 9420 section 5.2)."""

    reference: bytes
    encoded: bytes = field(repr=False)
    last_resort: bool
    created_at_ms: int


def add_key_package(connection: Connection, package: OwnKeyPackage) -> None:
    """Store `package`; call it before the package is published."""
    connection.execute(
        own_key_packages.insert().values(
            reference=package.reference,
            encoded=package.encoded,
            last_resort=package.last_resort,
            created_at_ms=package.created_at_ms,
        )
    )


def find_key_package(connection: Connection, reference: bytes) -> OwnKeyPackage | None:
    """Return the package named `reference` and leave it there, or None."""
    query = select(own_key_packages).where(own_key_packages.c.reference == reference)
    row = connection.execute(query).one_or_none()
    return None if row is None else OwnKeyPackage(*row)


def take_key_package(connection: Connection, reference: bytes) -> OwnKeyPackage | None:
    """Return the package named `reference`, or None; a single-use one is gone after that."""
    package = find_key_package(connection, reference)
    if package is not None and not package.last_resort:
        delete_key_package(connection, reference)
    return package


def delete_key_package(connection: Connection, reference: bytes) -> None:
    """Delete the package named `reference`, of either sort, if it is there."""
    connection.execute(delete(own_key_packages).where(own_key_packages.c.reference == reference))


def list_key_packages(connection: Connection, *, last_resort: bool) -> list[OwnKeyPackage]:
    """Return all packages of one sort, oldest first."""
    query = (
        select(own_key_packages)
        .where(own_key_packages.c.last_resort == last_resort)
        .order_by(own_key_packages.c.created_at_ms, own_key_packages.c.reference)
    )
    return [OwnKeyPackage(*row) for row in connection.execute(query)]


def count_key_packages(connection: Connection) -> int:
    """Return how many single-use packages are left here, published or not."""
    query = select(func.count()).where(own_key_packages.c.last_resort.is_(False))
    return connection.execute(query).scalar_one()
