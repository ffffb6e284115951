import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.throttle import Bucket, Rate, Throttle, address_key

RATE = Rate(burst=3, per_s=0.5)


def test_a_full_bucket_gives_its_burst_and_then_says_when_to_come_back() -> None:
    bucket = Bucket(RATE, 0.0)
    assert [bucket.take(RATE, 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]


def test_a_bucket_refills_with_time_up_to_its_burst() -> None:
    bucket = Bucket(RATE, 0.0)
    bucket.take(RATE, 0.0, 3.0)
    assert bucket.take(RATE, 1.0) == 1.0
    assert bucket.take(RATE, 2.0) == 0.0
    assert bucket.take(RATE, 1000.0, 3.0) == 0.0
    assert bucket.take(RATE, 1000.0) > 0


def test_a49_time_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(RATE, 100.0)
    bucket.take(RATE, 100.0, 3.0)
    assert bucket.take(RATE, 50.0) == 2.0
    assert bucket.take(RATE, 102.0) == 0.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(min_value=0, max_value=2), max_size=80))
def test_never_more_than_burst_and_rate_allow(pauses: list[float]) -> None:
    bucket, now_s, taken = Bucket(RATE, 0.0), 0.0, 0
    for pause in pauses:
        now_s += pause
        taken += bucket.take(RATE, now_s) == 0.0
    assert taken <= RATE.burst + now_s * RATE.per_s + 1e-6


def test_keys_do_not_share_a_bucket() -> None:
    throttle = Throttle(RATE)
    assert [throttle.take("a", 0.0) for _ in range(4)][-1] > 0
    assert throttle.take("b", 0.0) == 0.0


def test_a43_a_table_full_of_keys_forgets_the_oldest_and_stays_bounded() -> None:
    throttle = Throttle(RATE, size=10)
    for number in range(1000):
        throttle.take(number, 0.0)
    assert len(throttle) == 10


def test_a_charge_is_a_debt_that_refills_first() -> None:
    throttle = Throttle(RATE)
    throttle.charge("a", 0.0, 5.0)
    assert throttle.take("a", 4.0) == 2.0
    assert throttle.take("a", 6.0) == 0.0


def test_giving_back_never_fills_over_the_burst() -> None:
    throttle = Throttle(RATE)
    throttle.charge("a", 0.0, -100.0)
    assert [throttle.take("a", 0.0) for _ in range(4)][-1] > 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1", None),
        ("127.9.9.9", None),
        ("::1", None),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", None),
    ],
)
def test_addresses_are_counted_by_what_one_person_gets(address: str, key: str | None) -> None:
    assert address_key(address) == key
