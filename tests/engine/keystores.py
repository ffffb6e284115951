"""Keyrings that tests bring along: one in memory, one that never works."""

from __future__ import annotations


class MemoryKeyStore:
    """A keyring that lives as long as the test."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        return self.keys[name]

    def put(self, name: str, key: bytes) -> None:
        self.keys[name] = key

    def delete(self, name: str) -> None:
        self.keys.pop(name, None)


class BrokenKeyStore(MemoryKeyStore):
    """A keyring that does not answer."""

    def get(self, name: str) -> bytes:
        raise TimeoutError

    def put(self, name: str, key: bytes) -> None:
        raise TimeoutError
