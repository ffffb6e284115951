"""Claims KeyPackages of an account's devices and checks them before anybody is added.

Never uses a package whose chain does not lead to the pinned root, and looks at dates here and only
here: a verdict has no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from crypto.errors import PeerError
from crypto.mls.credential import Credential
from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.proposals import Add
from engine.context import CLOCK_SLACK_S, Contact, Context
from engine.events import Notice
from engine.roster import Refused, Roster, place_of
from wire.errors import Code, WireError
from wire.limits import KEY_PACKAGE_LIFETIME_S
from wire.replies import Claimed
from wire.requests import Claim


class NeedsUpdate(WireError):
    """All devices of somebody have an older Sotto: nothing but an update changes that."""


@dataclass(frozen=True, slots=True)
class _Offered:
    """A KeyPackage's leaf, not in any tree yet."""

    leaf_index: int
    credential: Credential
    signature_key: bytes


async def claim(
    context: Context, contact: Contact, *, suite: int, may_be_none: bool = False
) -> tuple[Add, ...]:
    """Return Adds for all devices of a contact, without this very one, in a group of that suite.

    A package that is not the contact's, and a device that does not know the suite, is left out, and
    said. Raises WireError: unavailable when none is left (unless it `may_be_none`, or the contact
    is this account), as NeedsUpdate if that is for the suite; the relay's own.
    """
    reply = await context.link.request(Claim(0, contact.account, suite))
    if not isinstance(reply, Claimed):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    adds: list[Add] = []
    for device, encoded in reply.packages:
        if device == context.keys.device:
            continue
        try:
            adds.append(Add(check_package(context, contact, device, encoded, suite=suite)))
        except PeerError as error:
            _warn(context, contact, error)
    if not adds and not may_be_none and contact.account != context.keys.account:
        raise _nobody(contact, is_older=bool(reply.unsuited))
    if reply.unsuited:
        _tell_left_out(context, contact, len(reply.unsuited))
    return tuple(adds)


def _nobody(contact: Contact, *, is_older: bool) -> WireError:
    # Never in a weaker suite instead: words are as secret as the weakest way they were sent in.
    if is_older:
        text = (
            f"{contact.display} uses an older Sotto that cannot protect this conversation and must "
            "be updated. Nothing was sent in a weaker way; the message is kept."
        )
        return NeedsUpdate(Code.UNAVAILABLE, text)
    text = f"{contact.display} has no device that can be added now. The message is kept."
    return WireError(Code.UNAVAILABLE, text)


def _tell_left_out(context: Context, contact: Contact, count: int) -> None:
    devices = "A device" if count == 1 else f"{count} devices"
    text = (
        f"{devices} of {contact.display} cannot come in: the Sotto there is older, cannot protect "
        "this conversation, and must be updated."
    )
    context.emit(Notice(kind="warning", text=text, name=contact.account, display=contact.display))


def not_seated(adds: tuple[Add, ...], roster: Roster) -> tuple[Add, ...]:
    """Return the Adds of devices that did not come in by themselves meanwhile."""
    seated = {place.key_hash for place in roster}
    keys = ((add, sha256(add.key_package.leaf_node.signature_key).digest()) for add in adds)
    return tuple(add for add, key_hash in keys if key_hash not in seated)


def check_package(
    context: Context, contact: Contact, device: bytes, encoded: bytes, *, suite: int
) -> KeyPackage:
    """Return a claimed package; raise PeerError unless it is that device's, and of use today."""
    package = KeyPackage.decode(encoded)
    if package.suite_number != suite:
        raise PeerError("unsupported_suite", "another suite than the group's")
    now_s = context.now_ms() // 1000
    # A package may start an hour early, for the clocks of others (engine/context.py).
    longest_s = KEY_PACKAGE_LIFETIME_S + CLOCK_SLACK_S
    validate(package, now_s=now_s, max_lifetime_s=longest_s)
    leaf = package.leaf_node
    place = place_of(_Offered(0, leaf.credential, leaf.signature_key))
    if (place.account, place.root) != (contact.account, contact.root_identity):
        raise Refused("J-3", "the package is not of the pinned root")
    if place.device != device:
        raise Refused("J-4", "the package is another device's")
    return package


def _warn(context: Context, contact: Contact, error: PeerError) -> None:
    text = f"The relay offered a device for {contact.display} that cannot be used ({error.code})."
    context.emit(Notice(kind="warning", text=text, name=contact.account, display=contact.display))
