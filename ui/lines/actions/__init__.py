"""What each command does: calls on the session, and what to say about the answer.

Never prints. Which action belongs to which command is one table, put together here.
"""

from __future__ import annotations

from ui.lines.actions import admins, rooms, talking, trust, you
from ui.lines.actions.call import Action

ACTIONS: dict[str, Action] = (
    talking.ACTIONS | rooms.ACTIONS | trust.ACTIONS | you.ACTIONS | admins.ACTIONS
)
