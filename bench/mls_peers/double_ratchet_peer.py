"""The `DoubleRatchet` of PyPI with its recommended parts on SHA-256, in an environment of its own.

One side sends and the other receives, so no Diffie-Hellman step falls into the timed part: the
cheapest that this protocol can do. Its messages are not signed.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Sequence
from functools import cache

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from doubleratchet import DoubleRatchet, EncryptedMessage, Header
from doubleratchet.recommended import (
    HashFunction,
    aead_aes_hmac,
    diffie_hellman_ratchet_curve25519,
    kdf_hkdf,
    kdf_separate_hmacs,
)

from bench.mls_peers.worker import DATA, Chunk, Prepare, serve

ASSOCIATED = bytes(64)  # two identity keys, as X3DH has it
HEADER = struct.Struct(">32sII")


class _Ratchet(DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: Header) -> bytes:
        return associated_data + HEADER.pack(*header)


class _RootChain(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"root"


class _MessageChain(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


class _Aead(aead_aes_hmac.AEAD):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"message"


PARTS = {
    "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
    "root_chain_kdf": _RootChain,
    "message_chain_kdf": _MessageChain,
    "message_chain_constant": b"\x01\x02",
    "dos_protection_threshold": 1000,
    "max_num_skipped_message_keys": 1000,
    "aead": _Aead,
    "associated_data": ASSOCIATED,
}


def _encode(message: EncryptedMessage) -> bytes:
    return HEADER.pack(*message.header) + message.ciphertext


def _decode(data: bytes) -> EncryptedMessage:
    return EncryptedMessage(Header(*HEADER.unpack_from(data)), data[HEADER.size :])


class _Pair:
    """Two people that talk for as long as the process lives."""

    def __init__(self) -> None:
        asyncio.run(self._meet())

    async def _meet(self) -> None:
        secret, private = os.urandom(32), X25519PrivateKey.generate()
        self.sender, first = await _Ratchet.encrypt_initial_message(
            shared_secret=secret,
            recipient_ratchet_pub=private.public_key().public_bytes_raw(),
            message=DATA,
            **PARTS,
        )
        self.receiver, _ = await _Ratchet.decrypt_initial_message(
            shared_secret=secret,
            own_ratchet_priv=private.private_bytes_raw(),
            message=first,
            **PARTS,
        )

    async def send(self, count: int) -> list[bytes]:
        encrypt = self.sender.encrypt_message
        return [_encode(await encrypt(DATA, ASSOCIATED)) for _ in range(count)]

    async def receive(self, messages: Sequence[bytes]) -> list[bytes]:
        decrypt = self.receiver.decrypt_message
        return [await decrypt(_decode(message), ASSOCIATED) for message in messages]


_pair = cache(_Pair)


def _protect(count: int, members: int) -> Chunk:
    pair = _pair()

    def check(messages: list[bytes]) -> dict[str, int]:
        assert asyncio.run(pair.receive(messages)) == [DATA] * count
        return {"message": len(messages[-1])}

    return Chunk(lambda: asyncio.run(pair.send(count)), check)


def _unprotect(count: int, members: int) -> Chunk:
    pair = _pair()
    messages = asyncio.run(pair.send(count))

    def check(texts: list[bytes]) -> dict[str, int]:
        assert texts == [DATA] * count
        return {"message": len(messages[-1])}

    return Chunk(lambda: asyncio.run(pair.receive(messages)), check)


OPERATIONS: dict[str, Prepare] = {"protect": _protect, "unprotect": _unprotect}

if __name__ == "__main__":
    serve(OPERATIONS)
