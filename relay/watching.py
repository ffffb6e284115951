"""What an operator is to hear of before it is too late: the disk, and the certificate's end.

Never mends anything; with a disk that is nearly full, nobody new is taken in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relay import logs

MIN_FREE_BYTES: Final = 256 << 20  # from here on no new accounts: those who are here go on longer
_DAY_S: Final = 86_400
CERTIFICATE_DAYS: Final = (30, 7, 1)  # before its end, and each day after

_log = logs.logger("watching")


@dataclass(slots=True)
class Watch:
    """`free_bytes` of the data folder's disk, `ends_at_s` of the certificate (inf: none)."""

    free_bytes: Callable[[], int]
    ends_at_s: Callable[[], float]
    is_disk_low: bool = False
    _told: set[tuple[float, int]] = field(default_factory=set)

    def look(self, now_s: float) -> None:
        """Look at everything; `now_s`: since 1970. What is new is logged."""
        self._look_at_disk()
        self._look_at_certificate(now_s)

    def _look_at_disk(self) -> None:
        try:
            free = self.free_bytes()
        except OSError:
            return  # what cannot be looked at is nothing to refuse people for
        is_low = free < MIN_FREE_BYTES
        if is_low is not self.is_disk_low:
            self.is_disk_low = is_low
            level = logging.ERROR if is_low else logging.INFO
            logs.event(_log, level, "disk nearly full" if is_low else "disk has room", free=free)

    def _look_at_certificate(self, now_s: float) -> None:
        ends_at_s = self.ends_at_s()
        days = (ends_at_s - now_s) / _DAY_S
        due = [limit for limit in CERTIFICATE_DAYS if days < limit]
        if not due:
            return
        key = ends_at_s, min(due) if days > 0 else int(days)
        if key not in self._told:
            self._told = {each for each in self._told if each[0] == ends_at_s} | {key}
            level = logging.WARNING if days > 0 else logging.ERROR
            logs.event(_log, level, "certificate ends", days=int(days // 1))
