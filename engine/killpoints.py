"""The kill points of the engine: storage/killpoints.py is their home.

Never does anything itself.
"""

from __future__ import annotations

from storage.killpoints import reached

__all__ = ["reached"]
