from collections.abc import Callable

from relay.frames import pack
from relay.metrics import Metrics
from relay.outlet import MAX_QUEUED_BYTES, Outlet, Turn
from wire import replies
from wire.codec import decode_from_relay
from wire.pushes import Ended, EndReason


class Line:
    """A connection whose peer reads nothing, until `read`."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.unread = 0
        self.finished = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.unread += len(data)

    def unsent_bytes(self) -> int:
        return self.unread

    def finish(self) -> None:
        self.finished = True

    def read(self) -> None:
        self.unread = 0


class Loop:
    """Runs what is due when told to."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def turn(self) -> int:
        due, self.due = self.due, []
        for callback in due:
            callback()
        return len(due)


def make() -> tuple[Outlet, Line, Loop, Metrics]:
    loop, line, metrics = Loop(), Line(), Metrics()
    return Outlet(Turn(loop.call_soon, metrics), line), line, loop, metrics


def frames(data: bytes) -> list[object]:
    """Unpack what was written."""
    found = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        found.append(decode_from_relay(data[start : start + size]))
        data = data[start + size :]
    return found


def test_everything_of_a_turn_leaves_in_one_write() -> None:
    outlet, line, loop, metrics = make()
    for rid in range(3):
        outlet.reply(replies.Ok(rid))
    assert line.writes == []
    assert loop.turn() == 1
    assert len(line.writes) == 1
    assert frames(line.writes[0]) == [replies.Ok(0), replies.Ok(1), replies.Ok(2)]
    assert (metrics.writes, metrics.bytes_out) == (1, len(line.writes[0]))


def test_many_outlets_need_one_turn() -> None:
    loop, metrics = Loop(), Metrics()
    turn = Turn(loop.call_soon, metrics)
    lines = [Line() for _ in range(5)]
    for line in lines:
        Outlet(turn, line).send(pack(replies.Ok(1)))
    assert loop.turn() == 1
    assert all(len(line.writes) == 1 for line in lines)


def test_accepted_that_follow_each_other_are_one_frame_and_keep_their_place() -> None:
    outlet, line, loop, _ = make()
    outlet.reply(replies.Accepted(((1, 10),)))
    outlet.reply(replies.Accepted(((2, 11),)))
    outlet.reply(replies.Ok(3))
    outlet.reply(replies.Accepted(((4, 12),)))
    loop.turn()
    assert frames(line.writes[0]) == [
        replies.Accepted(((1, 10), (2, 11))),
        replies.Ok(3),
        replies.Accepted(((4, 12),)),
    ]


def test_a_turn_with_accepted_alone_is_flushed() -> None:
    outlet, line, loop, _ = make()
    outlet.reply(replies.Accepted(((1, 10),)))
    loop.turn()
    assert frames(line.writes[0]) == [replies.Accepted(((1, 10),))]
    outlet.reply(replies.Accepted(((2, 11),)))
    loop.turn()
    assert frames(line.writes[1]) == [replies.Accepted(((2, 11),))]


def test_the_last_frame_is_the_last() -> None:
    outlet, line, loop, _ = make()
    outlet.reply(replies.Ok(1))
    outlet.end(Ended(EndReason.KICKED))
    outlet.reply(replies.Ok(2))
    outlet.end(Ended(EndReason.BANNED))
    loop.turn()
    assert line.finished
    assert [frame for data in line.writes for frame in frames(data)] == [
        replies.Ok(1),
        Ended(EndReason.KICKED),
    ]


def test_a47_a_reader_that_is_too_far_behind_is_let_go_of() -> None:
    outlet, line, loop, metrics = make()
    chunk = bytes(MAX_QUEUED_BYTES // 8)
    outlet.is_congested = True
    for _ in range(100):
        outlet.send(chunk)
        loop.turn()
    assert line.finished
    assert metrics.slow_clients == 1
    assert sum(map(len, line.writes)) <= MAX_QUEUED_BYTES + 1024
    assert frames(line.writes[-1])[0].reason is EndReason.SLOW  # type: ignore[attr-defined]


def test_a_reader_that_keeps_up_is_kept() -> None:
    outlet, line, loop, metrics = make()
    outlet.is_congested = True
    for _ in range(100):
        outlet.send(bytes(MAX_QUEUED_BYTES // 8))
        loop.turn()
        line.read()
    assert not line.finished
    assert metrics.slow_clients == 0


def test_one_turn_alone_may_not_exceed_the_bound() -> None:
    outlet, line, loop, _ = make()
    for _ in range(9):
        outlet.send(bytes(MAX_QUEUED_BYTES // 8))
    loop.turn()
    assert line.finished
    assert len(line.writes) == 1
