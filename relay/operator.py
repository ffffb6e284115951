"""The operator's commands upon accounts, in a running relay or upon its database alone.

Never asks who the operator is: whoever can open the data folder is.
"""

from __future__ import annotations

from typing import Any

from relay.services import Services


class Operator:
    """Carries out what comes through the control socket."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def handle(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do it; return the answer."""
        return {"sessions": len(self._services.bus)}
