"""`make demo`: the main job without a terminal, over real processes, in about ten seconds.

Two people, the admin and a stranger: a conversation, what the relay stored of it, a kick, a ban.
Exit status 0 when everything happened as it should.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from tests.processes import JsonClient, People, RpcFailure, people

PRIVATE = "Meet me at the old mill at nine."


def say(text: str = "") -> None:
    print(text, flush=True)


def shows(client: JsonClient, who: str, conversation: str, text: str) -> None:
    """Wait until a client shows a text, and print the line as it shows it."""
    heard = client.hears(conversation, text)
    say(f"  {who:5} sees  {conversation:7} {heard['sender']}: {text}")


def main() -> int:
    """Return the exit status."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sotto-demo-") as folder, people(Path(folder)) as all_:
        say(f"A relay listens on {all_.relay.server}, fingerprint {all_.relay.fingerprint[:11]}...")
        admin = all_.admin()
        alice, bob = all_.join("alice"), all_.join("bob")
        say("admin, alice and bob have registered.\n")
        talk(alice, bob)
        if not stored(all_.relay.data / "relay.db"):
            return 1
        stranger(all_)
        moderate(admin, alice, bob)
    say(f"\nDone in {time.monotonic() - started_s:.0f} s.")
    return 0


def talk(alice: JsonClient, bob: JsonClient) -> None:
    say("They talk:")
    alice.say("#lobby", "Good morning, everybody!")
    shows(bob, "bob", "#lobby", "Good morning, everybody!")
    alice.say("@bob", PRIVATE)
    shows(bob, "bob", "@alice", PRIVATE)
    bob.say("@alice", "I will be there.")
    shows(alice, "alice", "@bob", "I will be there.")
    mine, theirs = (c.call("safety_number", name=n)["digits"] for c, n in _pairs(alice, bob))
    same = "the same on both sides" if mine == theirs else "DIFFERENT"
    say(f"  safety number {mine[:17]}... is {same}\n")
    if mine != theirs:
        raise SystemExit(1)


def _pairs(alice: JsonClient, bob: JsonClient) -> list[tuple[JsonClient, str]]:
    return [(alice, "bob"), (bob, "alice")]


def stored(database: Path) -> bool:
    """Print what the relay has of the last private message; False if it could read it."""
    files = [database, database.with_name("relay.db-wal")]
    everything = b"".join(path.read_bytes() for path in files if path.exists())
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT entries FROM segments ORDER BY id DESC LIMIT 1")
        seq, _arrived_ms, message = msgspec.msgpack.decode(rows.fetchone()[0])[-1]
    connection.close()
    size = len(message)
    say(f"What the relay stored of the last message (entry {seq}, {size} bytes):")
    for start in range(0, min(size, 96), 32):
        say(f"  {message[start : start + 32].hex(' ', 4)}")
    say("  ...")
    words = [PRIVATE.encode(), b"I will be there", b"old mill"]
    found = [word for word in words if word in everything]
    say(f"  the words of the conversation in the relay's files: {len(found)} of {len(words)}\n")
    return not found


def stranger(everybody: People) -> None:
    say("A stranger comes:")
    mallory = everybody.join("mallory")
    try:
        mallory.call("kick", name="bob")
    except RpcFailure as refusal:
        say(f"  mallory kicks bob: refused ({refusal.code})")
    known = [row["name"] for row in mallory.call("conversations")]
    say(f"  mallory's conversations: {', '.join(known)}")
    mallory.settle()
    read = [text for _, text in mallory.history("#lobby")]
    say(f"  what mallory reads from before: {read or 'nothing'}\n")


def moderate(admin: JsonClient, alice: JsonClient, bob: JsonClient) -> None:
    say("The admin acts:")
    admin.call("kick", name="mallory", reason="first warning")
    notice = bob.wait_for("notice", kind="kicked", name="mallory")
    say(f"  everybody is told: mallory was kicked by {notice['by']}: {notice['text']}")
    admin.call("ban", name="mallory", reason="second warning")
    gone = alice.wait_for("membership", conversation="#lobby", name="mallory", change="banned")
    say(f"  alice sees  #lobby  mallory was banned by {gone['by']}")
    alice.say("#lobby", "Back to the weather.")
    shows(bob, "bob", "#lobby", "Back to the weather.")


if __name__ == "__main__":
    sys.exit(main())
