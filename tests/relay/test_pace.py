from hypothesis import given, settings
from hypothesis import strategies as st

from relay.pace import MAX_WAITING, Pace, Result
from wire.limits import COMMIT_PACE_S, COMMIT_TURN_S

ROOM, OTHER = b"room", b"other"
A, B, C = b"a", b"b", b"c"


def test_a_lone_commit_goes_at_once() -> None:
    pace: Pace[str] = Pace()
    assert pace.join(ROOM, A, "a1")
    assert pace.next(ROOM, 0.0) == "a1"
    assert pace.next(ROOM, 0.0) is None


def test_one_commit_is_at_work_at_a_time_and_rooms_do_not_wait_for_each_other() -> None:
    pace: Pace[str] = Pace()
    for room, item in ((ROOM, "r1"), (ROOM, "r2"), (OTHER, "o1")):
        pace.join(room, A, item)
    assert list(pace.due(0.0)) == [(ROOM, "r1"), (OTHER, "o1")]
    assert list(pace.due(9.0)) == []


def test_after_an_accepted_commit_the_next_waits_for_the_pause() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.join(ROOM, B, "b1")
    pace.next(ROOM, 0.0)
    pace.finish(ROOM, A, Result.ACCEPTED, 1.0)
    assert pace.next(ROOM, 1.0 + COMMIT_PACE_S / 2) is None
    assert pace.wake_at_s() == 1.0 + COMMIT_PACE_S
    assert pace.next(ROOM, 1.0 + COMMIT_PACE_S) == "b1"


def test_waiting_commits_are_served_in_order_and_never_time_out() -> None:
    pace: Pace[str] = Pace()
    for device, item in ((A, "a"), (B, "b"), (C, "c")):
        pace.join(ROOM, device, item)
    now_s, served = 0.0, []
    for device in (A, B, C):
        now_s += 3600
        served.append(pace.next(ROOM, now_s))
        pace.finish(ROOM, device, Result.REFUSED, now_s)
    assert served == ["a", "b", "c"]


def test_who_lost_a_race_is_next_for_a_while() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.join(ROOM, B, "b1")
    pace.next(ROOM, 0.0)
    pace.finish(ROOM, A, Result.CONFLICT, 0.0)
    assert pace.next(ROOM, 0.5) is None
    pace.join(ROOM, A, "a2")
    assert pace.next(ROOM, 0.5) == "a2"
    pace.finish(ROOM, A, Result.ACCEPTED, 0.5)
    assert pace.next(ROOM, 0.5 + COMMIT_PACE_S) == "b1"


def test_the_kept_place_is_not_kept_for_ever() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.join(ROOM, B, "b1")
    pace.next(ROOM, 0.0)
    pace.finish(ROOM, A, Result.CONFLICT, 0.0)
    assert pace.wake_at_s() == COMMIT_TURN_S
    assert pace.next(ROOM, COMMIT_TURN_S) == "b1"


def test_a_second_loser_does_not_take_the_kept_place() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.next(ROOM, 0.0)
    pace.finish(ROOM, A, Result.CONFLICT, 0.0)
    pace.join(ROOM, A, "a2")
    pace.next(ROOM, 0.1)
    pace.finish(ROOM, A, Result.CONFLICT, 0.1)
    pace.join(ROOM, B, "b1")
    assert pace.next(ROOM, 0.2) is None  # the place is A's again, from 0.1 on
    assert pace.next(ROOM, 0.1 + COMMIT_TURN_S) == "b1"


def test_what_a_lost_connection_waited_with_is_dropped() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.join(ROOM, B, "b1")
    pace.join(OTHER, A, "a2")
    assert pace.leave(A) == ["a1", "a2"]
    assert list(pace.due(0.0)) == [(ROOM, "b1")]


def test_a_lost_connection_gives_up_its_place() -> None:
    pace: Pace[str] = Pace()
    pace.join(ROOM, A, "a1")
    pace.next(ROOM, 0.0)
    pace.finish(ROOM, A, Result.CONFLICT, 0.0)
    pace.leave(A)
    pace.join(ROOM, B, "b1")
    assert pace.next(ROOM, 0.0) == "b1"


def test_a43_a_line_is_bounded() -> None:
    pace: Pace[int] = Pace()
    assert all(pace.join(ROOM, A, number) for number in range(MAX_WAITING))
    assert not pace.join(ROOM, A, MAX_WAITING)


def test_idle_lines_are_forgotten() -> None:
    pace: Pace[str] = Pace()
    for number in range(100):
        room = str(number).encode()
        pace.join(room, A, "x")
        pace.next(room, 0.0)
        pace.finish(room, A, Result.ACCEPTED, 0.0)
    assert len(pace) == 100
    assert list(pace.due(COMMIT_PACE_S)) == []
    assert len(pace) == 0
    assert pace.wake_at_s() is None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.sampled_from(list(Result))),
        min_size=1,
        max_size=30,
    )
)
def test_everything_that_waits_is_served_once(steps: list[tuple[bytes, Result]]) -> None:
    pace: Pace[int] = Pace()
    for number, (device, _) in enumerate(steps):
        pace.join(ROOM, device, number)
    now_s, served = 0.0, []
    while len(served) < len(steps):
        found = pace.next(ROOM, now_s)
        if found is None:
            wake_at_s = pace.wake_at_s()
            assert wake_at_s is not None
            assert wake_at_s > now_s
            now_s = wake_at_s
            continue
        served.append(found)
        pace.finish(ROOM, *steps[found], now_s)
    assert sorted(served) == list(range(len(steps)))
