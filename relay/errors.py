"""Why the relay does not start, in words for the operator.

Never used once it runs: what a client does wrong is a WireError.
"""

from __future__ import annotations


class StartError(Exception):
    """The relay, or one of its commands, cannot go on: one line that says what to do."""
