"""Admins' acts: who may, upon whom, what follows, and what is kept of it."""

from __future__ import annotations

from typing import Any

import pytest

from crypto.mls.proposals import Remove
from relay import admin, append
from relay.admin_code import ensure_admin_code
from relay.outcome import AskCommit, EndSessions, Outcome
from tests.relay.actors import Device, World
from tests.relay.worlds import code_of, rid, stored, told
from wire import replies, requests
from wire.entry import OrderKind, decode_removal_data
from wire.pushes import EndReason, Notice, NoticeKind
from wire.requests import Act


def make_admin(world: World) -> Device:
    device = Device.fresh(world, "Admin")
    code = world.run(lambda c: ensure_admin_code(c, world.context.random))
    device.register(admin_code=code)
    return device


def do(who: Device, act: Act, name: str, **more: Any) -> Outcome:
    return who.do(admin.act, requests.AdminAct(rid(), act, name, **more))


def ban(who: Device, whom: Device, **more: Any) -> Outcome:
    order = who.order(OrderKind.BAN, whom, reason=more.get("reason", ""))
    return do(who, Act.BAN, whom.account, **({"order": order} | more))


@pytest.mark.parametrize("act", list(Act))
def test_a93_only_admins_act(world: World, act: Act) -> None:
    eve, bob = world.account("Eve"), world.account("Bob")
    order = eve.order(OrderKind.BAN, bob)
    assert code_of(lambda: do(eve, act, "bob", order=order)) == "not_admin"
    for operation, request in (
        (admin.announce, requests.Announce(rid(), "hi")),
        (admin.list_users, requests.ListUsers(rid())),
        (admin.list_audit, requests.ListAudit(rid())),
    ):
        assert code_of(lambda o=operation, r=request: eve.do(o, r)) == "not_admin"


@pytest.mark.parametrize("act", list(Act))
def test_nobody_acts_upon_himself_or_nobody(world: World, act: Act) -> None:
    boss = make_admin(world)
    assert code_of(lambda: do(boss, act, "ADMIN")) == "forbidden"
    assert code_of(lambda: do(boss, act, "nobody")) == "no_such_user"
    assert code_of(lambda: do(boss, act, "not a name")) == "bad_name"


def test_a_kick_ends_connections_only(world: World) -> None:
    boss, bob = make_admin(world), world.account("Bob")
    room = bob.room()
    world.online.add("bob")
    outcome = do(boss, Act.KICK, "Bob", reason="calm\ndown")
    assert isinstance(outcome.reply, replies.ActDone)
    assert outcome.reply.was_online
    (ended,) = [event for event in outcome.events if isinstance(event, EndSessions)]
    assert (ended.account, ended.ended.reason) == ("bob", EndReason.KICKED)
    (notice,) = told(outcome.events, Notice)
    assert (notice.kind, notice.by, notice.text) == (NoticeKind.KICKED, "admin", "calm down")
    assert isinstance(bob.say(room).reply, replies.Accepted)


def test_a42_a70_a_ban_ends_connections_and_asks_for_every_leaf(any_world: World) -> None:
    world = any_world
    boss, bob, carol = make_admin(world), world.account("Bob"), world.account("Carol")
    phone = bob.sibling()
    rooms = [carol.room("one"), carol.room("two")]
    for room in rooms:
        bob.join(room)
    phone.join(rooms[0])
    outcome = ban(boss, bob, reason="spam", for_s=3600)
    first = outcome.events[0]
    assert isinstance(first, EndSessions)
    assert (first.account, first.ended.reason) == ("bob", EndReason.BANNED)
    assert first.ended.until_ms == world.clock.ms + 3_600_000
    asked = {event.conversation for event in outcome.events if isinstance(event, AskCommit)}
    assert asked == set(rooms)
    entries = [entry for event in stored(outcome.events) for entry in event.entries]
    assert len(entries) == 3
    for room in rooms:
        carol.catch_up(room)
        pending = carol.groups[room].pending_proposals
        for each in pending:
            assert isinstance(each.proposal, Remove)
            data = decode_removal_data(each.authenticated_data)
            assert (data.account, data.order is not None) == ("bob", True)
            assert data.order is not None
            assert (data.order.kind, data.order.reason) == (OrderKind.BAN, "spam")
        assert isinstance(carol.send_commit(room, carol.commit(room)).reply, replies.Accepted)
        assert code_of(lambda r=room: bob.say(r)) == "removed"
    assert code_of(lambda: carol.adds_of("bob")) == "banned"
    do(boss, Act.UNBAN, "bob")
    assert isinstance(bob.join(rooms[0]).reply, replies.Accepted)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": OrderKind.LEAVE},
        {"reason": "other"},
        {"root": bytes(32)},
        {"account": "carol"},
        {"conversation": bytes(16)},
        {"device": bytes(16)},
        {"issued_at_ms": 1},
    ],
)
def test_a_ban_carries_the_admins_own_order(world: World, changes: dict[str, Any]) -> None:
    boss, bob = make_admin(world), world.account("Bob")
    world.account("Carol")
    kind = changes.pop("kind", OrderKind.BAN)
    order = boss.order(kind, bob, **changes)
    assert code_of(lambda: do(boss, Act.BAN, "bob", order=order)) == "bad_request"


def test_a_ban_without_or_with_anothers_order_is_none(world: World) -> None:
    boss, bob, carol = make_admin(world), world.account("Bob"), world.account("Carol")
    assert code_of(lambda: do(boss, Act.BAN, "bob")) == "bad_request"
    foreign = carol.order(OrderKind.BAN, bob)
    assert code_of(lambda: do(boss, Act.BAN, "bob", order=foreign)) == "bad_request"
    stranger = Device.fresh(world, "Admin").order(OrderKind.BAN, bob)
    assert code_of(lambda: do(boss, Act.BAN, "bob", order=stranger)) == "bad_request"
    assert isinstance(bob.say(bob.room()).reply, replies.Accepted)


def test_the_last_admin_stays(world: World) -> None:
    boss, bob = make_admin(world), world.account("Bob")
    assert code_of(lambda: do(boss, Act.DEMOTE, "bob")) == "bad_request"
    do(boss, Act.PROMOTE, "bob")
    do(bob, Act.DEMOTE, "admin")
    assert code_of(lambda: do(boss, Act.KICK, "bob")) == "not_admin"

    def demote(connection: Any) -> Outcome:
        return admin.act_as_operator(connection, world.context, Act.DEMOTE, "bob")

    assert code_of(lambda: world.run(demote)) == "forbidden"


def test_everything_is_in_the_audit_log(any_world: World) -> None:
    world = any_world
    boss, _ = make_admin(world), world.account("Bob")
    do(boss, Act.MUTE, "bob", reason="loud", for_s=5)
    world.run(lambda c: admin.act_as_operator(c, world.context, Act.KICK, "bob", reason="x"))
    boss.do(admin.announce, requests.Announce(rid(), "two\nlines"))
    acts = boss.do(admin.list_audit, requests.ListAudit(rid())).reply
    assert isinstance(acts, replies.AuditList)
    assert [(a.by, a.act, a.name, a.reason) for a in acts.acts] == [
        ("admin", "announce", "", "two lines"),
        ("operator", "kick", "bob", "x"),
        ("admin", "mute", "bob", "loud"),
    ]
    assert acts.acts[2].until_ms == world.clock.ms + 5000
    more = boss.do(admin.list_audit, requests.ListAudit(rid(), acts.acts[0].number, 1)).reply
    assert isinstance(more, replies.AuditList)
    assert [a.act for a in more.acts] == ["kick"]


def test_users_are_listed_by_name(any_world: World) -> None:
    world = any_world
    boss = make_admin(world)
    for name in ("Zoe", "bob"):
        world.account(name)
    do(boss, Act.MUTE, "zoe")
    found = boss.do(admin.list_users, requests.ListUsers(rid())).reply
    assert isinstance(found, replies.UserList)
    assert [(u.account, u.is_admin, u.muted_until_ms) for u in found.users] == [
        ("admin", True, 0),
        ("bob", False, 0),
        ("zoe", False, -1),
    ]
    page = boss.do(admin.list_users, requests.ListUsers(rid(), "admin", 1)).reply
    assert isinstance(page, replies.UserList)
    assert [u.account for u in page.users] == ["bob"]


def test_an_announcement_reaches_everybody(world: World) -> None:
    boss = make_admin(world)
    outcome = boss.do(admin.announce, requests.Announce(rid(), "down at 8"))
    (notice,) = told(outcome.events, Notice)
    assert (notice.kind, notice.text, notice.by) == (
        NoticeKind.ANNOUNCEMENT,
        "down at 8",
        "admin",
    )
    assert code_of(lambda: boss.do(admin.announce, requests.Announce(rid(), " \n"))) == (
        "bad_request"
    )


def test_a_message_of_the_banned_is_not_taken_while_the_remove_waits(world: World) -> None:
    boss, bob, carol = make_admin(world), world.account("Bob"), world.account("Carol")
    room = carol.room()
    bob.join(room)
    carol.catch_up(room)
    late = carol.message(room)
    ban(boss, bob)
    assert isinstance(carol.do(append.append, late).reply, replies.Conflict)
    assert isinstance(bob.do(append.append, bob.message(room)).reply, replies.Conflict)


def test_the_operators_reason_is_cut_to_what_is_kept(any_world: World) -> None:
    any_world.account("Bob")
    outcome = any_world.run(
        lambda c: admin.act_as_operator(c, any_world.context, Act.BAN, "bob", reason="x" * 5000)
    )
    (notice,) = told(outcome.events, Notice)
    assert notice.text == "x" * 512


def test_a70_what_the_banned_asked_in_the_same_moment_is_not_done(world: World) -> None:
    """Their sessions end when the ban is stored; what stands in line behind it is still theirs."""
    boss, other, bob = make_admin(world), world.account("Other"), world.account("Bob")
    do(boss, Act.PROMOTE, "other")
    ban(boss, other)
    ban(boss, bob)
    assert code_of(lambda: do(other, Act.UNBAN, "other")) == "banned"
    assert code_of(lambda: do(other, Act.PROMOTE, "bob")) == "banned"
    assert code_of(bob.room) == "banned"
    assert code_of(lambda: bob.direct(boss)) == "banned"
