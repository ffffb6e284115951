from typing import Any

from relay import outcome
from relay.bus import Bus, Session
from relay.caches import Readers
from relay.context import Who
from relay.metrics import Metrics
from relay.outlet import Outlet, Turn
from relay.presence import Online
from tests.relay.test_outlet import Line, Loop, frames
from wire import pushes, replies

ROOM = b"r" * 16
ENTRY = replies.Entry(5, 1000, b"sealed")


class Post:
    """A bus, and what everybody was sent."""

    def __init__(self) -> None:
        self.loop, self.metrics = Loop(), Metrics()
        self.turn = Turn(self.loop.call_soon, self.metrics)
        self.asked: list[outcome.AskCommit] = []
        self.undone: list[bytes] = []
        self.online = Online()
        self.bus = Bus(self.online, ask=self.asked.append, undone=self.undone.append)
        self.lines: dict[Session, Line] = {}

    def join(self, account: str, device: int = 0) -> Session:
        line = Line()
        key = account.encode().ljust(15, b".") + bytes([device])
        who = Who(account, hash(account), key, device, False)
        session = Session(who, account.title(), Outlet(self.turn, line))
        self.lines[session] = line
        self.bus.join(session)
        return session

    def got(self, session: Session) -> list[Any]:
        self.loop.turn()
        line = self.lines[session]
        found = [frame for data in line.writes for frame in frames(data)]
        line.writes.clear()
        return found


def devices(*sessions: Session) -> tuple[bytes, ...]:
    return tuple(session.who.device for session in sessions)


def test_an_entry_goes_to_its_readers_and_the_sender_gets_accepted() -> None:
    post = Post()
    alice, bob, carol = post.join("alice"), post.join("bob"), post.join("carol")
    readers = devices(alice, bob)
    stored = outcome.Stored(ROOM, (ENTRY,), readers, alice.who.device)
    post.bus.tell(outcome.Outcome(replies.Accepted(((1, 5),)), (stored,)), alice.outlet)
    assert post.got(alice) == [replies.Accepted(((1, 5),))]
    assert post.got(bob) == [pushes.Entries(ROOM, (ENTRY,))]
    assert post.got(carol) == []


def test_accepted_stands_among_the_entries_where_the_entry_would() -> None:
    post = Post()
    alice, bob = post.join("alice"), post.join("bob")
    readers = devices(alice, bob)
    for seq, sender in ((5, bob), (6, alice), (7, bob)):
        entry = replies.Entry(seq, 1000, b"x")
        stored = outcome.Stored(ROOM, (entry,), readers, sender.who.device)
        reply = replies.Accepted(((seq, seq),))
        post.bus.tell(outcome.Outcome(reply, (stored,)), sender.outlet)
    assert post.got(alice) == [
        pushes.Entries(ROOM, (replies.Entry(5, 1000, b"x"),)),
        replies.Accepted(((6, 6),)),
        pushes.Entries(ROOM, (replies.Entry(7, 1000, b"x"),)),
    ]


def said(*runs: tuple[int, int, int], readers: tuple[Session, ...]) -> outcome.Said:
    """Runs of (place, first, last), each message answered as rid 100 + Seq."""
    made = []
    for place, first, last in runs:
        seqs = range(first, last + 1)
        entries = [replies.Entry(seq, 1000, b"m%d" % seq) for seq in seqs]
        answers = [(100 + seq, seq) for seq in seqs]
        made.append(outcome.SaidRun(place, answers, entries, 2 * len(entries)))
    return outcome.Said(ROOM, tuple(made), Readers(devices(*readers)))


def pushed(run: outcome.SaidRun) -> pushes.Entries:
    return pushes.Entries(ROOM, tuple(run.entries))


def accepted(run: outcome.SaidRun) -> replies.Accepted:
    return replies.Accepted(tuple(run.answers))


def test_new_messages_are_answered_to_their_senders_and_told_to_the_others_in_order() -> None:
    post = Post()
    alice, bob, carol, dave = (post.join(name) for name in ("alice", "bob", "carol", "dave"))
    new = said((0, 5, 6), (2, 7, 7), (0, 8, 9), (2, 10, 10), readers=(alice, bob, carol))
    post.bus.tell_said(new, [alice.outlet, dave.outlet, bob.outlet])
    one, two, three, four = new.runs
    assert post.got(alice) == [accepted(one), pushed(two), accepted(three), pushed(four)]
    assert post.got(bob) == [pushed(one), accepted(two), pushed(three), accepted(four)]
    assert post.got(carol) == [pushed(run) for run in new.runs]
    assert post.got(dave) == []


def test_all_who_sent_nothing_get_the_same_bytes() -> None:
    post = Post()
    alice, bob, carol = post.join("alice"), post.join("bob"), post.join("carol")
    post.bus.tell_said(said((0, 5, 9), readers=(alice, bob, carol)), [alice.outlet])
    post.loop.turn()
    (to_bob,), (to_carol,) = post.lines[bob].writes, post.lines[carol].writes
    assert to_bob is to_carol


def test_a_sender_that_is_gone_changes_nothing_for_the_others() -> None:
    post = Post()
    alice, bob = post.join("alice"), post.join("bob")
    new = said((0, 5, 5), readers=(alice, bob))
    post.bus.leave(alice)
    alice.outlet.close()
    again = post.join("alice")
    post.bus.tell_said(new, [alice.outlet])
    assert post.got(bob) == [pushed(new.runs[0])]
    assert post.got(again) == [pushed(new.runs[0])]
    assert post.got(alice) == []


def test_messages_of_many_megabytes_go_in_frames_that_fit() -> None:
    post = Post()
    alice, bob = post.join("alice"), post.join("bob")
    entries = [replies.Entry(seq, 1000, bytes(60_000)) for seq in range(1, 40)]
    answers = [(seq, seq) for seq in range(1, 40)]
    run = outcome.SaidRun(0, answers, entries, 39 * 60_000)
    post.bus.tell_said(outcome.Said(ROOM, (run,), Readers(devices(alice, bob))), [alice.outlet])
    got = post.got(bob)
    assert [e for frame in got for e in frame.entries] == entries
    assert len(got) > 1
    assert post.got(alice) == [accepted(run)]


def test_accepted_stands_before_what_its_commit_brought_about() -> None:
    post = Post()
    alice, bob = post.join("alice"), post.join("bob")
    own = outcome.Stored(ROOM, (ENTRY,), devices(alice, bob), alice.who.device)
    again = replies.Entry(6, 1000, b"remove again")
    remove = outcome.Stored(ROOM, (again,), devices(alice, bob))
    result = outcome.Outcome(replies.Accepted(((1, 5),)), (own, remove))
    post.bus.tell(result, alice.outlet)
    assert post.got(alice) == [replies.Accepted(((1, 5),)), pushes.Entries(ROOM, (again,))]


def test_pushes_reach_devices_accounts_and_everybody() -> None:
    post = Post()
    alice, phone, bob = post.join("alice"), post.join("alice", 1), post.join("bob")
    entry = replies.InboxEntry(1, ROOM, 5, b"welcome")
    low, changed = pushes.PackagesLow(1, 3), pushes.ConversationChanged(ROOM)
    root = pushes.RootChanged("bob")
    events = (
        outcome.WelcomeStored(phone.who.device, entry),
        outcome.ToDevices((*devices(bob), b"nobody"), low),
        outcome.ToAccounts(("alice", "nobody"), changed),
        outcome.ToEverybody(root),
    )
    post.bus.tell(outcome.Outcome(None, events), None)
    assert post.got(alice) == [changed, root]
    assert post.got(phone) == [pushes.InboxPush(entry), changed, root]
    assert post.got(bob) == [low, root]


def test_ending_an_account_ends_all_its_devices_with_the_reason() -> None:
    post = Post()
    alice, phone, bob = post.join("alice"), post.join("alice", 1), post.join("bob")
    ended = pushes.Ended(pushes.EndReason.BANNED, "admin", "spam", -1)
    notice = outcome.ToEverybody(pushes.PackagesLow(1, 1))
    events = (outcome.EndSessions("alice", None, ended), notice)
    post.bus.tell(outcome.Outcome(None, events), None)
    assert post.got(alice) == post.got(phone) == [ended]
    assert all(post.lines[session].finished for session in (alice, phone))
    assert not post.lines[bob].finished
    assert len(post.bus) == 1
    assert "alice" not in post.online


def test_ending_a_device_leaves_the_others() -> None:
    post = Post()
    alice, phone = post.join("alice"), post.join("alice", 1)
    ended = pushes.Ended(pushes.EndReason.REVOKED)
    post.bus.tell(
        outcome.Outcome(None, (outcome.EndSessions("alice", phone.who.device, ended),)), None
    )
    assert post.got(phone) == [ended]
    assert post.got(alice) == []
    assert post.bus.is_connected(alice.who.device)


def test_the_same_device_again_replaces_its_session() -> None:
    post = Post()
    first = post.join("alice")
    second = post.join("alice")
    assert [frame.reason for frame in post.got(first)] == [pushes.EndReason.REPLACED]
    assert post.bus.session_of(first.who.device) is second
    assert not post.bus.leave(first)  # its end does not end the newer one
    assert "alice" in post.online
    assert post.bus.leave(second)
    assert "alice" not in post.online


def test_what_waits_for_a_commit_and_what_was_undone_is_passed_on() -> None:
    post = Post()
    alice = post.join("alice")
    ask = outcome.AskCommit(ROOM, 5, devices(alice))
    tally = pushes.Tally(ROOM, 5, 0, 3, True)
    fine = pushes.Tally(ROOM, 4, 3, 0, False)
    events = (
        ask,
        outcome.ToDevices(devices(alice), fine),
        outcome.ToDevices(devices(alice), tally),
    )
    post.bus.tell(outcome.Outcome(None, events), None)
    assert post.asked == [ask]
    assert post.undone == [alice.who.device]
    assert post.got(alice) == [fine, tally]
    assert post.bus.ask_device(alice.who.device, ROOM, 5)
    assert not post.bus.ask_device(b"nobody", ROOM, 5)
    assert post.got(alice) == [pushes.CommitWanted(ROOM, 5)]


def test_many_large_entries_come_in_several_frames() -> None:
    """Hundreds of Removes with their orders, issued at once: more than one frame holds."""
    post = Post()
    alice = post.join("alice")
    entries = tuple(replies.Entry(seq, 1000, bytes(6000)) for seq in range(1, 301))
    post.bus.tell(outcome.Outcome(None, (outcome.Stored(ROOM, entries, devices(alice)),)), None)
    got = post.got(alice)
    assert len(got) > 1
    assert tuple(entry for push in got for entry in push.entries) == entries
