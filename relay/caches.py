"""What is kept in memory between two transactions: readers, fresh cursors, who was seen, bytes.

Never the truth: everything here may be lost or stale without a message being so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from threading import Lock

MAX_CONVERSATIONS = 4096
MAX_DEVICES = 200_000  # in all of them: about 20 MB
MAX_ACKS = 20_000


class Readers(tuple[bytes, ...]):
    """Device ids (16 bytes each) in order, in which one is found at once."""

    devices: frozenset[bytes]

    def __new__(cls, devices: Iterable[bytes]) -> Readers:
        """Return the devices, each once."""
        made = super().__new__(cls, dict.fromkeys(devices))
        made.devices = frozenset(made)
        return made


class MemberCache:
    """The member devices of conversations: of each, its newest version.

    A version is random and changes with the members, so an entry is right or never found again.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[int, tuple[int, Readers]] = OrderedDict()
        self._devices = 0

    def __len__(self) -> int:
        return self._devices

    def get(self, row: int, version: int, load: Callable[[], Iterable[bytes]]) -> Readers:
        """Return the devices (16 bytes each), from `load` the first time."""
        found = self._found.get(row)
        if found is not None and found[0] == version:
            self._found.move_to_end(row)
            return found[1]
        devices = Readers(load())
        self._forget(row)
        self._found[row] = version, devices
        self._devices += len(devices)
        while len(self._found) > MAX_CONVERSATIONS or self._devices > MAX_DEVICES:
            self._forget(next(iter(self._found)))
        return devices

    def _forget(self, row: int) -> None:
        found = self._found.pop(row, None)
        if found is not None:
            self._devices -= len(found[1])


class AckBuffer:
    """Cursors that were acknowledged and not yet written: (device row, conversation id) -> seq.

    Losing them keeps entries longer than needed, nothing more.
    """

    def __init__(self) -> None:
        self._seqs: dict[tuple[int, bytes], int] = {}
        self._lock = Lock()

    def note(self, device_row: int, conversation: bytes, seq: int) -> bool:
        """Remember an acknowledgement; return whether it is time to write them."""
        key = (device_row, conversation)
        with self._lock:
            self._seqs[key] = max(seq, self._seqs.get(key, 0))
            return len(self._seqs) >= MAX_ACKS

    def seen(self, device_row: int, conversation: bytes) -> int:
        """Return what is remembered, or 0."""
        return self._seqs.get((device_row, conversation), 0)

    def __len__(self) -> int:
        return len(self._seqs)

    def take(self, most: int = MAX_ACKS) -> dict[tuple[int, bytes], int]:
        """Take out so many, the oldest first, to be written."""
        with self._lock:
            return {key: self._seqs.pop(key) for key in list(islice(self._seqs, most))}


class SeenBuffer:
    """When devices (rows) were here last, in ms, as far as it is not yet written.

    Losing it lets a device seem away for a second longer, nothing more.
    """

    def __init__(self) -> None:
        self._ms: dict[int, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._ms)

    def note(self, device_row: int, now_ms: int) -> None:
        """The device is here now. From any thread."""
        with self._lock:
            self._ms[device_row] = now_ms

    def of(self, device_row: int) -> int:
        """When a device was here last, or 0."""
        return self._ms.get(device_row, 0)

    def take(self, most: int) -> dict[int, int]:
        """Take out so many, the oldest first, to be written."""
        with self._lock:
            return {row: self._ms.pop(row) for row in list(islice(self._ms, most))}


class Usage:
    """Bytes by account (row) that were stored and not yet counted in its row.

    For the writer's thread. Losing them gives an account a little more room, nothing more.
    """

    def __init__(self) -> None:
        self._bytes: dict[int, int] = {}

    def of(self, account_id: int) -> int:
        """Return what is not yet written of an account's."""
        return self._bytes.get(account_id, 0)

    def add(self, sizes: Mapping[int, int]) -> None:
        """Count what a transaction stored, now that it did."""
        for account_id, size in sizes.items():
            self._bytes[account_id] = self._bytes.get(account_id, 0) + size

    def take(self) -> dict[int, int]:
        """Return everything, to be written, and start anew."""
        sizes, self._bytes = self._bytes, {}
        return sizes
