"""The checks of what devices sign for the relay: the proof at log-in, and orders.

Never reads the database.
"""

from __future__ import annotations

from crypto.errors import PeerError
from crypto.identity import Identity, verify_chain
from crypto.labels import Purpose, verify
from relay.context import Proof
from wire.entry import Order
from wire.errors import Code, WireError
from wire.names import is_display_of


def check_device_proof(
    proof: Proof, signature: bytes, *, account: str, device: bytes, device_key: bytes
) -> None:
    """Raise WireError(bad_credentials) unless the device's key signed for this very connection."""
    parts = (proof.client_nonce, proof.relay_nonce, proof.relay_key, proof.tls_spki_hash)
    try:
        verify(device_key, Purpose.DEVICE_PROOF, signature, *parts, account.encode(), device)
    except PeerError:
        text = "The device's signature is not valid here. Nothing was changed: connect again."
        raise WireError(Code.BAD_CREDENTIALS, text) from None


def check_chain(chain: tuple[bytes, ...], account: str | None = None) -> Identity:
    """Return what a chain proves; raise WireError(bad_request) if it proves nothing.

    With `account`, that is whose it must be (canonical name).
    """
    try:
        identity = verify_chain(chain)
    except PeerError as error:
        text = f"The device's certificates are not valid ({error.code})."
        raise WireError(Code.BAD_REQUEST, text) from None
    if account is not None and identity.account != account:
        raise WireError(Code.BAD_REQUEST, "The device's certificates are another account's.")
    if not is_display_of(identity.display, identity.account):
        raise WireError(Code.BAD_REQUEST, "The certificates' names do not belong together.")
    return identity


def check_order(order: Order) -> Identity:
    """Return who signed an order; raise WireError(bad_request) unless somebody did."""
    signer = check_chain(order.certificates)
    try:
        verify(signer.device_key, Purpose.ORDER, order.signature, order.signed_bytes())
    except PeerError:
        raise WireError(Code.BAD_REQUEST, "The order's signature is not valid.") from None
    return signer
