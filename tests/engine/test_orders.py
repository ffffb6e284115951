"""engine.orders: an order covers whom it names, signed by who may; else it is "by the relay"."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.orders import is_own_wish, sign_order, signer_of
from engine.roster import Place
from tests.engine.table import GROUP_ID, Person
from wire.entry import Order, OrderKind, RemovalData

BOB, ADMIN, MALLORY = Person.named("bob"), Person.named("admin"), Person.named("mallory")
DEVICE, SECOND = BOB.device(), BOB.device()


def place() -> Place:
    """Bob's leaf."""
    return Place(
        3, "bob", "bob", BOB.root.identity, DEVICE.device, key_hash=b"k" * 32, chain=DEVICE.chain
    )


def order(kind: OrderKind, by: Person = BOB, **changed: object) -> Order:
    """A signed order against Bob."""
    fields: dict[str, object] = {
        "device": DEVICE.device if kind is OrderKind.REVOKE else b"",
        "conversation": GROUP_ID if kind is OrderKind.LEAVE else b"",
        "account": "bob",
        "root": BOB.root.identity,
        "reason": "because",
        **changed,
    }
    bare = Order(kind, issued_at_ms=1, **fields)  # type: ignore[arg-type]
    keys = by.device()
    return sign_order(bare, signer=keys.signer, chain=keys.chain)


def data(found: Order | None) -> RemovalData:
    return RemovalData("bob", DEVICE.device, b"k" * 32, found)


@pytest.mark.parametrize("kind", [OrderKind.LEAVE, OrderKind.REVOKE])
def test_an_own_wish(kind: OrderKind) -> None:
    assert is_own_wish(data(order(kind)), place(), GROUP_ID)
    assert not is_own_wish(data(order(kind, MALLORY)), place(), GROUP_ID)


def test_a_ban_names_who_ordered_it() -> None:
    signer = signer_of(data(order(OrderKind.BAN, ADMIN)), place(), GROUP_ID)
    assert signer is not None
    assert signer.account == "admin"
    assert not is_own_wish(data(order(OrderKind.BAN, ADMIN)), place(), GROUP_ID)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        order(OrderKind.LEAVE, conversation=b"o" * 16),
        order(OrderKind.LEAVE, conversation=b""),
        order(OrderKind.REVOKE, device=SECOND.device),
        order(OrderKind.REVOKE, device=b""),
        order(OrderKind.BAN, ADMIN, account="alice"),
        order(OrderKind.BAN, ADMIN, root=ADMIN.root.identity),
        replace(order(OrderKind.BAN, ADMIN), reason="another reason"),
        replace(order(OrderKind.BAN, ADMIN), signature=b"s" * 64),
        replace(order(OrderKind.BAN, ADMIN), signature=b""),
        replace(order(OrderKind.BAN, ADMIN), certificates=DEVICE.chain),
        replace(order(OrderKind.BAN, ADMIN), certificates=()),
    ],
)
def test_what_does_not_cover_this_leaf_counts_for_nothing(bad: Order | None) -> None:
    assert signer_of(data(bad), place(), GROUP_ID) is None
