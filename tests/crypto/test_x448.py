"""X448: the RFC's vector, and every point that contributes nothing."""

import random

import pytest

from crypto import x448
from crypto.errors import PeerError, UsageError
from crypto.mls import key_schedule
from crypto.mls.suite import SUITE_4

P = 2**448 - 2**224 - 1
PRIVATE = random.Random(1).randbytes(56)


def test_the_vector_of_rfc_7748() -> None:
    scalar = bytes.fromhex(
        "3d262fddf9ec8e88495266fea19a34d28882acef045104d0d1aae121"
        "700a779c984c24f8cdd78fbff44943eba368f54b29259a4f1c600ad3"
    )
    u = bytes.fromhex(
        "06fce640fa3487bfda5f6cf2d5263f8aad88334cbd07437f020f08f9"
        "814dc031ddbdc38c19c6da2583fa5429db94ada18aa7a7fb4ef8a086"
    )
    assert x448.exchange(x448.load_private(scalar), u).hex() == (
        "ce3e4ff95a60dc6697da1db1d85e6afbdf79b50a2412d7546d5f239f"
        "e14fbaadeb445fc66a01b0779d98223961111e21766282f73dd96b6f"
    )


@pytest.mark.parametrize("u", [0, 1, P - 1, P, P + 1])
def test_a32_low_order_points_are_refused(u: int) -> None:
    point = u.to_bytes(56, "little")
    for refuse in (
        lambda: x448.check_public(point),
        lambda: x448.exchange(x448.load_private(PRIVATE), point),
        lambda: SUITE_4.check_encryption_key(point),
        lambda: SUITE_4.encrypt_with_label(point, "label", context=b"", plaintext=b"text"),
        lambda: SUITE_4.decrypt_with_label(
            PRIVATE, "label", context=b"", kem_output=point, ciphertext=bytes(32)
        ),
        lambda: key_schedule.send_external_init(SUITE_4, point),
        lambda: key_schedule.receive_external_init(SUITE_4, point, external=bytes(64)),
    ):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


@pytest.mark.parametrize("u", [P + 5, P + 2**224, 2**448 - 1])
def test_a27_a_second_encoding_of_a_key_is_refused(u: int) -> None:
    with pytest.raises(PeerError) as caught:
        x448.check_public(u.to_bytes(56, "little"))
    assert caught.value.code == "bad_public_key"
    x448.check_public((5).to_bytes(56, "little"))


@pytest.mark.parametrize("size", [0, 1, 32, 55, 57, 112])
def test_keys_of_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(PeerError) as caught:
        x448.exchange(x448.load_private(PRIVATE), bytes([5]) * size)
    assert caught.value.code == "bad_public_key"
    with pytest.raises(UsageError):
        x448.load_private(bytes(size))
