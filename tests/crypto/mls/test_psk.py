"""Pre-shared keys: the official vectors are in test_vectors; here, identifiers and order."""

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.codec import decode_all
from crypto.mls.psk import (
    ExternalPskId,
    ResumptionPskId,
    ResumptionUsage,
    fresh_nonce,
    psk_secret,
    read_psk_id,
)
from crypto.mls.suite import SUITE_1

EXTERNAL = ExternalPskId(b"id", bytes(32))
RESUMPTION = ResumptionPskId(ResumptionUsage.BRANCH, b"group", 2**64 - 1, bytes(32))


@pytest.mark.parametrize("psk_id", [EXTERNAL, RESUMPTION])
def test_identifiers_are_read_as_written(psk_id: ExternalPskId | ResumptionPskId) -> None:
    assert decode_all(psk_id.encode(), read_psk_id) == psk_id


@pytest.mark.parametrize("head", ["00", "03", "ff", "0200", "0204", "02ff", ""])
def test_unknown_types_and_usages_are_malformed(head: str) -> None:
    with pytest.raises(PeerError) as caught:
        decode_all(bytes.fromhex(head) + bytes(20), read_psk_id)
    assert caught.value.code == "malformed"


def test_no_keys_give_zero_and_order_matters() -> None:
    one, two = (EXTERNAL, b"one"), (RESUMPTION, b"two")
    assert psk_secret(SUITE_1, []) == bytes(32)
    secrets = {psk_secret(SUITE_1, keys) for keys in ([one], [two], [one, two], [two, one])}
    assert len(secrets) == 4


def test_too_many_keys_are_our_mistake() -> None:
    with pytest.raises(UsageError):
        psk_secret(SUITE_1, [(EXTERNAL, b"")] * 65536)


def test_a_nonce_is_as_long_as_the_hash() -> None:
    assert fresh_nonce(SUITE_1, random=bytes) == bytes(32)
    assert fresh_nonce(SUITE_1) != fresh_nonce(SUITE_1)
