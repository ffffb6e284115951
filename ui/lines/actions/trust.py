"""Commands for trust: safety numbers, identities, devices.

Never prints: an action returns the lines to show.
"""

from __future__ import annotations

from ui.gate import clean_line, clean_name
from ui.lines.actions.call import Action, Call
from ui.lines.render import date_and_time
from wire.link import format_fingerprint


async def safety(call: Call) -> list[str]:
    row = await call.session.safety_number(name=call.name())
    digits = clean_line(row["digits"], cells=80).replace(" ", "")
    groups = [digits[i : i + 5] for i in range(0, len(digits), 5)]
    name = clean_name(call.name())
    state = "verified" if row["verified"] else "not verified yet"
    return [
        f"Compare with {name}, by voice or side by side ({state}):",
        *("    " + "  ".join(groups[i : i + 6]) for i in range(0, len(groups), 6)),
        f"The same on both sides? Then type /verify {name}. If not, somebody is in between.",
    ]


async def verify(call: Call) -> list[str]:
    await call.session.verify(name=call.name())
    return [f"--- {clean_name(call.name())} is verified"]


async def unverify(call: Call) -> list[str]:
    await call.session.unverify(name=call.name())
    return [f"--- {clean_name(call.name())} is not verified any more"]


async def accept(call: Call) -> list[str]:
    change = await call.session.changed_identity(name=call.name())
    await call.session.accept_identity(name=call.name(), fingerprint=change["new_fingerprint"])
    return [f"--- the new identity of {clean_name(call.name())} is accepted; /safety compares it"]


async def trust(call: Call) -> list[str]:
    pinned = (await call.session.status()).get("fingerprint")
    result = await call.session.trust_relay(fingerprint=call.arg(0), replaces=pinned)
    return [f"--- the relay is trusted now: {format_fingerprint(result['fingerprint'])}"]


async def devices(call: Call) -> list[str]:
    rows = await call.session.devices()
    return [
        f"  {clean_line(row['device'], cells=32)}  since {date_and_time(row['added_at_ms'])}"
        f"  last seen {date_and_time(row['seen_at_ms'])}{'  this one' if row['current'] else ''}"
        for row in rows
    ]


async def revoke(call: Call) -> list[str]:
    await call.session.revoke_device(device=call.arg(0))
    return ["--- that device is logged out for good and leaves every conversation"]


ACTIONS: dict[str, Action] = {
    "safety": safety,
    "verify": verify,
    "unverify": unverify,
    "accept": accept,
    "trust": trust,
    "devices": devices,
    "revoke": revoke,
}
