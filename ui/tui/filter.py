"""The last gate: no character that a terminal would obey leaves the full-screen face.

Everything shown has passed ui.gate already; what a person types or pastes, and whatever a library
might add, passes here as well.
"""

from __future__ import annotations

import re
from typing import Final

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

# C0, DEL, C1, line separators, bidirectional formatting but the isolates that ui.gate puts in.
OBEYED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066\u2067\ufff9-\ufffb]"
)


class LastGate(LineFilter):
    """Shows a replacement character for whatever a terminal would obey."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """See LineFilter."""
        if not any(OBEYED.search(segment.text) for segment in segments if not segment.control):
            return segments
        return [
            segment
            if segment.control
            else Segment(OBEYED.sub("\ufffd", segment.text), segment.style)
            for segment in segments
        ]
