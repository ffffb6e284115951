"""Why an entry could not be read, in words that need no knowledge, and what helps.

Never guesses: what is said follows from the code that reading the entry ended with.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ui.gate import clean_line, clean_name
from ui.lines.render import date_and_time


class Reason(NamedTuple):
    """`cause` says what happened; `repair` what to do, with {name}, {where} and {ask}."""

    cause: str
    repair: str


_ASK: Final = "Ask {name} to send it again: {ask}"
_NONE: Final = "Nothing needs to be done: no message of a member is missing because of it."
_REASONS: Final = {
    "gap": Reason(
        "Messages before this one never arrived: they were lost on the way, held back by the "
        "relay, or sent from a device whose data was put back to an older copy.",
        _ASK,
    ),
    "resync": Reason(
        "This device lost step with the conversation and came back into it. What was said while it "
        "was out was encrypted for the others only, and stays unreadable here.",
        _ASK,
    ),
    "bad_confirmation_tag": Reason(
        "Somebody tried to come in without the right password, and every member refused.", _NONE
    ),
    "repeated": Reason(
        "A member's device sent something a second time under a number that was used already. "
        "It was refused, as replaying old messages would look the same.",
        _NONE,
    ),
    "removal_pending": Reason(
        "It was written while a removal was waiting to be carried out: such messages are not "
        "shown, since whoever is being removed could still have read or written them.",
        _ASK,
    ),
    "other_epoch": Reason(
        "It was encrypted for other members than those of that moment, before or after somebody "
        "came or went; the relay should not have let it through.",
        _ASK,
    ),
    "misplaced": Reason(
        "It was made for another place in the conversation, or for another conversation. An honest "
        "relay and honest members do not produce that.",
        _ASK,
    ),
    "bad_content": Reason(
        "It was encrypted by a member, but what is inside is no message of this version. {name} "
        "may use a newer program.",
        "Update this program, or ask {name} which one they use. {ask}",
    ),
    "bad_certificate": Reason(
        "The certificate of whoever wrote it does not prove who they are.", _ASK
    ),
}
_RULE: Final = Reason(
    "A change of the conversation broke one of its rules, so every member refused it and went on.",
    "Nothing needs to be done. If it repeats, ask the relay's admin what it does.",
)
_OTHER: Final = Reason(
    "It could not be decrypted with any key that this device has: damaged on the way, made by a "
    "faulty program, or forged.",
    _ASK + " If more is unreadable from here on, come back in: {rejoin}",
)


def explained(line: dict[str, Any], where: str) -> list[str]:
    """Return the lines that explain a stored line of trouble (engine/pages.py)."""
    name = clean_name(line["display"] or line["sender"]) if line["sender"] else "whoever wrote it"
    place = clean_name(where)
    at = date_and_time(line["arrived_at_ms"])
    if line["kind"] == "notice":
        return [f"{place}, {at}:", f"  {clean_line(line['text'], cells=400)}"]
    code = "gap" if line["kind"] == "gap" else line["text"]
    reason = _REASONS.get(code) or (_RULE if code.startswith("J-") else _OTHER)
    words = {"name": name, "ask": f"/msg {name} Please send it again.", "where": place}
    if not line["sender"]:
        words["ask"] = f"write into {place} what you miss."
    words["rejoin"] = f"/join {place}" if where.startswith("#") else f"/msg {name} hello"
    return [
        f"Entry {line['seq']} of {place}, {at} ({clean_line(code, cells=60)}):",
        f"  {reason.cause.format(**words)}",
        f"  What helps: {reason.repair.format(**words)}",
    ]
