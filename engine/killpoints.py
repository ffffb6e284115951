"""The engine's door to the kill points: between any two writes a test may end the process.

Never does anything unless the environment asks for it; see storage/killpoints.py.
"""

from __future__ import annotations

from storage.killpoints import reached as reached
