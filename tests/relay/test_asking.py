from relay.asking import LOOK_AGAIN_S, Asking
from relay.outcome import AskCommit
from wire.limits import COMMIT_ASK_S

ROOM = b"room"
A, B, C = b"a", b"b", b"c"


class People:
    def __init__(self, *connected: bytes) -> None:
        self.connected = set(connected)

    def __call__(self, device: bytes) -> bool:
        return device in self.connected


def test_one_device_is_asked_at_a_time_each_for_a_while() -> None:
    asking, people = Asking(), People(A, B)
    asking.begin(AskCommit(ROOM, 7, (A, B)))
    assert asking.due(0.0, people) == [(A, ROOM, 7)]
    assert asking.due(COMMIT_ASK_S / 2, people) == []
    assert asking.due(COMMIT_ASK_S, people) == [(B, ROOM, 7)]


def test_only_connected_devices_are_asked() -> None:
    asking, people = Asking(), People(C)
    asking.begin(AskCommit(ROOM, 7, (A, B, C)))
    assert asking.due(0.0, people) == [(C, ROOM, 7)]


def test_when_nobody_is_connected_the_first_who_comes_is_asked() -> None:
    asking, people = Asking(), People()
    asking.begin(AskCommit(ROOM, 7, (A, B)))
    assert asking.due(0.0, people) == []
    people.connected.add(B)
    assert asking.due(LOOK_AGAIN_S, people) == [(B, ROOM, 7)]


def test_when_all_were_asked_in_vain_they_are_asked_anew() -> None:
    asking, people = Asking(), People(A, B)
    asking.begin(AskCommit(ROOM, 7, (A, B)))
    asked = [asking.due(turn * COMMIT_ASK_S, people)[0][0] for turn in range(5)]
    assert asked == [A, B, A, B, A]


def test_a_stored_commit_ends_it() -> None:
    asking, people = Asking(), People(A)
    asking.begin(AskCommit(ROOM, 7, (A,)))
    asking.settle(ROOM)
    assert asking.due(0.0, people) == []
    assert len(asking) == 0


def test_a_newer_ask_replaces_the_older_and_one_without_candidates_ends_it() -> None:
    asking, people = Asking(), People(A, B)
    asking.begin(AskCommit(ROOM, 7, (A,)))
    asking.begin(AskCommit(ROOM, 9, (B,)))
    assert asking.due(0.0, people) == [(B, ROOM, 9)]
    asking.begin(AskCommit(ROOM, 9, ()))
    assert len(asking) == 0
