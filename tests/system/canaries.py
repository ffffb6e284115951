"""Unique strings, and every place where a relay could keep one: files, memory, the line.

A search that finds nothing proves something only if it finds what was put there: each test plants.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
from pathlib import Path

CHUNK = 1 << 20
MARK = "zq"  # rare in any text, so that a canary is never a word of somebody else's


def canary(kind: str) -> str:
    """Return a unique string of letters and digits that every rule for `kind` of text allows."""
    return f"{MARK}{kind}{secrets.token_hex(8)}"


def room_canary() -> str:
    """Return a room's password: unique, and strong enough for the rule."""
    return canary("Raum") + "K7"


def forms(text: str) -> dict[str, bytes]:
    """Return the byte strings that betray `text`: raw, hex, and base64 at each of 3 alignments."""
    raw = text.encode()
    found = {"raw": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode()}
    found["utf-16"] = text.encode("utf-16-le")
    for shift in range(3):
        # The characters that touch neither the bytes before nor those after are the same always.
        padded = base64.b64encode(bytes(shift) + raw)
        start, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        found[f"base64+{shift}"] = padded[start:end]
    return found


def betrayals(haystack: bytes, text: str) -> list[str]:
    """Return the names of the forms of `text` that stand in `haystack`."""
    return [name for name, form in forms(text).items() if form in haystack]


def folder_bytes(folder: Path) -> bytes:
    """Return every file under `folder`, one after another; write-ahead logs and all."""
    return b"\0".join(f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file())


def memory_bytes(pid: int) -> bytes:
    """Return all readable memory of a process, which is held still meanwhile.

    Raises PermissionError where this machine does not let us look.
    """
    parts = []
    os.kill(pid, signal.SIGSTOP)
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights, *rest = line.split()
                if "r" not in rights or rest[-1] in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
                    continue
                if "w" not in rights:
                    continue  # what a program never writes holds no canary
                start, end = (int(part, 16) for part in span.split("-"))
                parts.append(_read(memory.fileno(), start, end))
    finally:
        os.kill(pid, signal.SIGCONT)
    return b"\0".join(parts)


def _read(descriptor: int, start: int, end: int) -> bytes:
    parts = []
    for place in range(start, end, CHUNK):
        try:
            parts.append(os.pread(descriptor, min(CHUNK, end - place), place))
        except OSError as error:
            if isinstance(error, PermissionError):
                raise
            parts.append(b"")  # pages that are mapped but not there
    return b"".join(parts)
