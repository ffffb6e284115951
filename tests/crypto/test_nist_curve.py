"""The NIST curves: every encoding of a point and of a private key that must not pass."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto.errors import PeerError, UsageError
from crypto.nist_curve import P256, P384, P521, NistCurve

FIELD = {
    P256: 2**256 - 2**224 + 2**192 + 2**96 - 1,
    P384: 2**384 - 2**128 - 2**96 + 2**32 - 1,
    P521: 2**521 - 1,
}
CURVES = pytest.mark.parametrize("curve", FIELD, ids=lambda curve: curve.name)


def point(curve: NistCurve) -> bytes:
    return curve.public_of(curve.load_private(curve.generate(random.Random(1).randbytes)))


def refused(curve: NistCurve, key: bytes) -> None:
    ours = curve.load_private(curve.generate())
    for refuse in (lambda: curve.check_public(key), lambda: curve.exchange(ours, key)):
        with pytest.raises(PeerError) as caught:
            refuse()
        assert caught.value.code == "bad_public_key"


@CURVES
def test_both_ends_agree_on_one_secret(curve: NistCurve) -> None:
    one, two = (curve.load_private(curve.generate()) for _ in range(2))
    shared = curve.exchange(one, curve.public_of(two))
    assert shared == curve.exchange(two, curve.public_of(one))
    assert len(shared) == curve.key_length


@CURVES
def test_a32_points_beside_the_curve_are_refused(curve: NistCurve) -> None:
    good, size = point(curve), curve.key_length
    for place in (1, size, size + 1, 2 * size):
        wrong = bytearray(good)
        wrong[place] ^= 1
        refused(curve, bytes(wrong))
    refused(curve, b"\x04" + bytes(2 * size))
    refused(curve, bytes(1 + 2 * size))


@CURVES
def test_a27_other_forms_of_a_point_are_refused(curve: NistCurve) -> None:
    good = point(curve)
    curve.check_public(good)
    key = ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, good)
    refused(curve, key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    for first in (0, 2, 3, 5, 6 + (good[-1] & 1), 7 - (good[-1] & 1), 0x84):
        refused(curve, bytes((first,)) + good[1:])
    refused(curve, b"\x00")  # the point at infinity (SEC 1, section 2.3.3)


@CURVES
def test_a27_coordinates_not_below_the_modulus_are_refused(curve: NistCurve) -> None:
    p, size = FIELD[curve], curve.key_length
    # The points with x = 0 exist on all three curves; so this is one of them in other bytes.
    good = ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, b"\x02" + bytes(size))
    y = good.public_numbers().y
    curve.check_public(b"\x04" + bytes(size) + y.to_bytes(size))
    refused(curve, b"\x04" + p.to_bytes(size) + y.to_bytes(size))
    if y + p < 1 << 8 * size:
        refused(curve, b"\x04" + bytes(size) + (y + p).to_bytes(size))


@CURVES
def test_keys_of_other_sizes_are_refused(curve: NistCurve) -> None:
    good = point(curve)
    for wrong in (b"", good[:-1], good + b"\x00", good[:1], good[: curve.key_length]):
        refused(curve, wrong)
    private = curve.generate()
    for wrong in (b"", private[:-1], b"\x00" + private, bytes(curve.key_length)):
        with pytest.raises(UsageError):
            curve.load_private(wrong)
    order = curve.curve.group_order
    with pytest.raises(UsageError):
        curve.load_private(order.to_bytes(curve.key_length))
    curve.load_private((order - 1).to_bytes(curve.key_length))


@CURVES
def test_a_key_comes_from_the_randomness_given(curve: NistCurve) -> None:
    drawn = int.from_bytes(random.Random(1).randbytes(curve.key_length + 8))
    private = curve.generate(random.Random(1).randbytes)
    assert int.from_bytes(private) == drawn % (curve.curve.group_order - 1) + 1
    assert curve.generate(bytes) == (1).to_bytes(curve.key_length)
