"""Signed orders: who wanted a member gone, proved from the relay's Remove alone.

Never decides whether a removal happens (the relay's Remove always does): only what it is called.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from crypto import labels
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.identity import Identity, verify_chain
from crypto.labels import Purpose
from engine.roster import Place
from wire.entry import Order, OrderKind, RemovalData

_OWN = frozenset({OrderKind.LEAVE, OrderKind.REVOKE})


def sign_order(order: Order, *, signer: SigningKey, chain: tuple[bytes, ...]) -> Order:
    """Return the order with its signer's chain (device, root) and signature."""
    signature = labels.sign(signer, Purpose.ORDER, order.signed_bytes())
    return replace(order, certificates=chain, signature=signature)


def signer_of(data: RemovalData, place: Place, conversation: bytes) -> Identity | None:
    """Return who ordered this removal of `place`, or None when no valid order covers it."""
    order = data.order
    if order is None or not _covers(order, place, conversation):
        return None
    signer = _verified(order)
    if signer is None or (order.kind in _OWN and signer.root_identity != place.root):
        return None
    return signer


def is_own_wish(data: RemovalData, place: Place, conversation: bytes) -> bool:
    """Tell whether the removed account itself ordered it: it left, or logged a device out."""
    signer = signer_of(data, place, conversation)
    return signer is not None and data.order is not None and data.order.kind in _OWN


def _covers(order: Order, place: Place, conversation: bytes) -> bool:
    return (
        order.account == place.account
        and order.root == place.root
        and order.device in (b"", place.device)
        and order.conversation in (b"", conversation)
        and (order.kind is not OrderKind.REVOKE or order.device == place.device)
        and (order.kind is not OrderKind.LEAVE or order.conversation == conversation)
    )


@lru_cache(maxsize=256)
def _verified(order: Order) -> Identity | None:
    try:
        signer = verify_chain(order.certificates)
        labels.verify(signer.device_key, Purpose.ORDER, order.signature, order.signed_bytes())
    except PeerError:
        return None
    return signer
