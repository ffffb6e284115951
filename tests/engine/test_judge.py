"""The rules over commits: for each one, somebody who breaks it, and everybody who refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from msgspec.structs import replace as with_fields

from crypto.ed25519 import SigningKey
from crypto.mls import suite as known_to_mls
from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import new_member_proposal
from crypto.mls.group import WireFormat
from crypto.mls.proposals import (
    GroupContextExtensions,
    ReInit,
    Remove,
    UnknownProposal,
    Update,
    external_psk,
    resumption_psk,
)
from engine.group_policy import closed, direct_policy, extensions_of
from engine.judge import CommitView, Proposed, Standing, judge, judge_group
from engine.roster import Place, Refused, Roster, effects_of
from tests.engine.table import (
    ALICE,
    BOB,
    CAROL,
    GROUP_ID,
    LOBBY,
    MALLORY,
    PSK,
    PSK_ID,
    RELAY,
    SUITE,
    Person,
    Seat,
    Table,
    go_on,
    package,
    raw_extensions,
    refused,
    room,
    seated,
)
from wire.entry import Effect, EffectKind
from wire.policy import JoinRule, Policy
from wire.suites import MAX_LEAVES, SUITES


def test_j_1_declared_effects_are_the_actual_ones() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    false = Effect(EffectKind.REMOVED, "bob", bob.keys.device, bob.place.leaf, bob.place.key_hash)
    alice.commit(effects=(false,))
    refused("J-1", bob, carol)
    alice.commit([package(MALLORY.device())], effects=())
    refused("J-1", bob, carol)
    go_on(alice, bob, carol)


def test_j_2_an_added_leaf_proves_whose_it_is() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    device = MALLORY.device()
    other = MALLORY.device()
    for credential in (
        Credential.x509(other.chain),  # another key's
        Credential.x509((device.chain[0], ALICE.certificate)),  # another root's
        Credential.x509(device.chain[:1]),
        Credential.x509((b"", b"")),
    ):
        alice.commit([package(device, credential=credential)])
        refused("J-2", bob, carol)
    alice.commit([package(device, credential=Credential.basic(b"mallory"))])
    assert bob.verdict == carol.verdict == "refused"
    go_on(alice, bob, carol)


def test_a01_j_3_a_second_root_under_a_name_is_refused() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    ghost = Person.named("bob")
    alice.commit([package(ghost.device())])
    refused("J-3", bob, carol)
    go_on(alice, bob, carol)


def test_j_3_and_j_4_over_a_whole_roster() -> None:
    place = Place(0, "bob", "bob", b"r" * 32, b"d" * 16, b"k" * 32, ())
    with pytest.raises(Refused, match="J-3"):
        Roster({0: place}).changed((), [replace(place, leaf=1, account="bop", device=b"e" * 16)])
    with pytest.raises(Refused, match="J-4"):
        Roster({0: place}).changed((), [replace(place, leaf=1)])


def test_a28_j_5_a_leaf_does_not_change_hands() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    signer = bob.keys.signer
    elsewhere = MALLORY.device(signer)  # Bob's key, certified by Mallory's root
    config = replace(bob.keys.leaf_config(1), credential=elsewhere.credential)
    bob.commit(config=config)
    refused("J-5", alice, carol)
    fresh = BOB.device(SigningKey.from_seed(b"9" * 32))
    bob.commit(config=fresh.leaf_config(1))
    refused("J-5", alice, carol)
    go_on(alice, bob, carol)


def test_j_6_only_the_policy_may_change() -> None:
    policy = room(ALICE)
    _, alice, bob, carol = seated(policy)
    evil = SigningKey.from_seed(b"e" * 32)
    for extensions in (
        extensions_of(policy, relay_key=evil.public),
        raw_extensions(policy)[1:],
        (raw_extensions(policy)[1], raw_extensions(policy)[0], raw_extensions(policy)[2]),
    ):
        alice.commit([GroupContextExtensions(extensions)])
        refused("J-6", bob, carol)
    go_on(alice, bob, carol)


def test_j_7_only_owners_change_the_policy() -> None:
    policy = room(ALICE, admins=(CAROL,))
    _, alice, bob, carol = seated(policy)
    mine = with_fields(policy, owners=tuple(sorted((*policy.owners, BOB.root.identity))))
    bob.commit(policy=mine)
    refused("J-7", alice, carol)
    carol.commit(policy=mine)
    refused("J-7", alice, bob)
    alice.commit(policy=mine)
    assert bob.standing.policy == carol.standing.policy == mine
    go_on(alice, bob, carol)


def test_j_8_kind_and_name_stay_and_a_policy_is_valid() -> None:
    policy = room(ALICE)
    _, alice, bob, carol = seated(policy)
    alice.commit(policy=with_fields(policy, name="other"))
    refused("J-8", bob, carol)
    alice.commit(policy=LOBBY)
    refused("J-8", bob, carol)
    broken = (*raw_extensions(policy)[:2], Extension(0xF501, b"\x90"))
    alice.commit([GroupContextExtensions(broken)])
    refused("J-8", bob, carol)
    _, one, two, three = seated(LOBBY)
    one.commit(policy=policy)
    refused("J-8", two, three)
    go_on(one, two, three)


def test_j_9_who_may_add() -> None:
    _, _, bob, carol = seated(LOBBY)
    bob.commit([package(MALLORY.device())])
    refused("J-9", carol)
    bob.commit([package(BOB.device())])
    assert carol.verdict == "accepted"
    _, alice, bob, carol = seated(room(ALICE, JoinRule.INVITE, admins=(CAROL,)))
    bob.commit([package(MALLORY.device())])
    refused("J-9", alice, carol)
    carol.commit([package(MALLORY.device())])
    assert alice.verdict == bob.verdict == "accepted"
    table = Table(direct_policy((ALICE.root.identity, BOB.root.identity)), ALICE.device())
    bob = table.welcome(BOB.device())
    table.founder.commit([package(MALLORY.device())])
    refused("J-9", bob)


def test_j_10_who_may_remove() -> None:
    _, alice, bob, carol = seated(room(ALICE, admins=(CAROL,)))
    bob.commit([Remove(carol.place.leaf)])
    refused("J-10", alice, carol)
    carol.commit([Remove(alice.place.leaf)])
    refused("J-10", alice, bob)
    carol.commit([Remove(bob.place.leaf)])
    assert alice.verdict == "accepted"
    assert bob.value.group is None
    _, one, two, three = seated(LOBBY)
    one.commit([Remove(two.place.leaf)])
    refused("J-10", two, three)
    table = Table(direct_policy((ALICE.root.identity, BOB.root.identity)), ALICE.device())
    bob = table.welcome(BOB.device())
    table.founder.commit([Remove(bob.place.leaf)])
    refused("J-10", bob)


def test_j_11_who_may_join_from_outside() -> None:
    table, alice, bob, carol = seated(room(ALICE, JoinRule.INVITE))
    table.come_in(MALLORY.device())
    refused("J-11", alice, bob, carol)
    table.seats.pop()
    table.come_in(BOB.device())  # another device of a member
    assert alice.verdict == bob.verdict == carol.verdict == "accepted"
    table = Table(direct_policy((ALICE.root.identity, BOB.root.identity)), ALICE.device())
    table.come_in(MALLORY.device(), sits=False)
    refused("J-11", table.founder)
    table.come_in(BOB.device())
    assert table.founder.verdict == "accepted"


def test_j_11_a_closed_room_takes_no_newcomers() -> None:
    policy = room(ALICE, JoinRule.PASSWORD)
    table, alice, bob, carol = seated(policy, psk=True)
    alice.commit([Remove(bob.place.leaf)], policy=closed(policy))
    assert carol.verdict == "accepted"
    table.come_in(MALLORY.device(), psk=PSK)
    refused("J-11", alice, carol)


def test_j_12_a_password_room_asks_for_its_own_key() -> None:
    table, alice, bob, _ = seated(room(ALICE, JoinRule.PASSWORD), psk=True)
    table.come_in(MALLORY.device())
    refused("J-12", alice, bob)
    table.seats.pop()
    other = b"q" * 16
    alice.secrets[other] = PSK
    table.come_in(MALLORY.device(), psk=PSK, psk_id=other)
    refused("J-12", alice)
    table.seats.pop()
    alice.commit([external_psk(SUITE, PSK_ID)], psks={PSK_ID: PSK})
    refused("J-12", bob)


def test_a_wrong_password_fails_at_the_confirmation_tag() -> None:
    table, alice, bob, carol = seated(room(ALICE, JoinRule.PASSWORD), psk=True)
    table.come_in(MALLORY.device(), psk=b"w" * 32)
    assert [seat.verdict for seat in (alice, bob, carol)] == ["refused"] * 3
    table.seats.pop()
    go_on(alice, bob, carol)


def test_who_lacks_the_key_cannot_judge() -> None:
    table, alice, bob, _ = seated(room(ALICE, JoinRule.PASSWORD), psk=True)
    bob.secrets.clear()
    table.come_in(MALLORY.device(), psk=PSK)
    assert (alice.verdict, bob.verdict) == ("accepted", "unusable")


def test_a29_j_13_who_comes_back_removes_only_himself() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    table.come_in(MALLORY.device(), remove_leaf=bob.place.leaf)
    assert [seat.verdict for seat in (alice, bob, carol)] == ["refused"] * 3
    table.seats.pop()
    # Another device of the same account has no right to do so either.
    table.come_in(BOB.device(), remove_leaf=bob.place.leaf)
    assert alice.unread[-1] == carol.unread[-1] == "J-13"
    table.seats.pop()
    go_on(alice, bob, carol)


def _view(alice: Seat, *proposals: Proposed, added: tuple[Place, ...] = ()) -> CommitView:
    effects = effects_of([(EffectKind.ADDED, place) for place in added])
    return CommitView(effects, False, alice.place, alice.place, proposals, added)


def test_j_15_and_j_16_in_the_commit_itself() -> None:
    _, alice, bob, _ = seated(room(ALICE))
    with pytest.raises(Refused, match="J-16"):
        judge(alice.standing, _view(alice, Proposed(ReInit(b"new", 1, 1, ()))))
    with pytest.raises(Refused, match="J-16"):
        judge(alice.standing, _view(alice, Proposed(UnknownProposal(0xF001, b""))))
    by_reference = Proposed(Remove(bob.place.leaf), by_reference=True)
    with pytest.raises(Refused, match="J-15"):
        judge(alice.standing, _view(alice, by_reference))


def test_what_mls_allows_and_conversations_do_not_have_is_refused_by_everybody() -> None:
    _, alice, bob, carol = seated(room(ALICE))
    alice.commit([ReInit(b"new", 1, 1, ())])
    refused("J-16", bob, carol)
    # Carol came last and has no key of an epoch before: she refuses all the same.
    for back in range(3):
        alice.commit([resumption_psk(SUITE, GROUP_ID, alice.group.epoch - back)])
        assert (bob.verdict, carol.verdict) == ("refused", "refused")
    alice.commit(include_pending=False, wire_format=WireFormat.PUBLIC_MESSAGE)
    refused("J-24", bob, carol)
    go_on(alice, bob, carol)


def test_nobody_is_let_in_by_proposing_himself() -> None:
    table, alice, bob, carol = seated(room(ALICE))
    mallory = MALLORY.device()
    asked = new_member_proposal(
        package(mallory).key_package,
        suite=SUITE,
        group_id=GROUP_ID,
        epoch=alice.group.epoch,
        authenticated_data=b"",
        signer=mallory.signer,
    )
    table.post(asked)
    for seat in (alice, bob, carol):
        assert seat.unread[-1] == "J-15"
        assert not seat.group.pending_proposals
    go_on(alice, bob, carol)


def test_a28_j_16_no_update_changes_a_leaf() -> None:
    """An Update could bring another credential; a device renews its leaf by its own commits."""
    _, alice, bob, carol = seated(room(ALICE))
    leaf = bob.group.tree.leaf(bob.place.leaf)
    assert leaf is not None
    for proposed in (Proposed(Update(leaf)), Proposed(Update(leaf), by_reference=True)):
        with pytest.raises(Refused, match="J-16"):
            judge(alice.standing, _view(alice, proposed))
    go_on(alice, bob, carol)


@pytest.mark.parametrize("suite", SUITES)
def test_j_18_a_group_has_a_limit(suite: int) -> None:
    _, alice, _, _ = seated(room(ALICE))
    number = MAX_LEAVES[suite]
    one = alice.place
    places = {
        n: replace(one, leaf=n, device=n.to_bytes(16), account=f"a{n}", root=n.to_bytes(32))
        for n in range(number)
    }
    full = replace(alice.standing, suite=suite, roster=Roster(places))
    added = replace(one, leaf=number, device=b"x" * 16, account="late", root=number.to_bytes(32))
    with pytest.raises(Refused, match="J-18"):
        judge(full, _view(alice, added=(added,)))


def test_j_25_a_group_in_any_other_suite_is_none_of_ours() -> None:
    _, alice, _, _ = seated(room(ALICE))
    for number in SUITES:
        assert _joined(alice.standing, suite=number)().suite == number
    for number in {0, 2, 3, 0xFFFF, *known_to_mls.SUITES} - set(SUITES):
        with pytest.raises(Refused, match="J-25"):
            _joined(alice.standing, suite=number)()


def _joined(standing: Standing, **changed: object) -> Callable[[], Standing]:
    facts = {
        "conversation": GROUP_ID,
        "extensions": standing.extensions,
        "members": (),
        "suite": standing.suite,
        **changed,
    }
    return lambda: judge_group(
        facts["conversation"],  # type: ignore[arg-type]
        facts["extensions"],  # type: ignore[arg-type]
        facts["members"],  # type: ignore[arg-type]
        suite=facts["suite"],  # type: ignore[arg-type]
        relay_key=RELAY.public,
    )


def test_j_19_to_j_21_who_joins_looks_at_the_whole_group() -> None:
    policy = room(ALICE)
    table, alice, _, _ = seated(policy)
    members = tuple(alice.group.members())
    assert len(_joined(alice.standing, members=members)().roster) == 3
    evil = extensions_of(policy, relay_key=b"e" * 32)
    more = (*raw_extensions(policy), Extension(0xF777, b""))
    for extensions in (evil, more, raw_extensions(policy)[:2]):
        with pytest.raises(Refused, match=r"J-19|J-8"):
            _joined(alice.standing, extensions=extensions)()
    with pytest.raises(Refused, match="J-21"):
        _joined(alice.standing, conversation=b"short")()
    direct = raw_extensions(direct_policy((ALICE.root.identity, BOB.root.identity)))
    with pytest.raises(Refused, match="J-20"):
        _joined(alice.standing, extensions=direct, members=members)()
    assert table.founder is alice


@dataclass(frozen=True)
class Deed:
    """Something that a role may or may not do in a room."""

    name: str
    allowed: frozenset[str]
    do: Callable[[Seat, Policy], object]


DEEDS = (
    Deed("add", frozenset({"owner", "admin"}), lambda s, p: s.commit([package(MALLORY.device())])),
    Deed(
        "remove a member",
        frozenset({"owner", "admin"}),
        lambda s, p: s.commit([Remove(s.table.seats[3].place.leaf)]),
    ),
    Deed(
        "remove the owner",
        frozenset(),
        lambda s, p: s.commit([Remove(s.table.seats[0].place.leaf)]),
    ),
    Deed(
        "name an owner",
        frozenset({"owner"}),
        lambda s, p: s.commit(
            policy=with_fields(p, owners=tuple(sorted((*p.owners, BOB.root.identity))))
        ),
    ),
    Deed(
        "change the join rule",
        frozenset({"owner"}),
        lambda s, p: s.commit(policy=with_fields(p, join=JoinRule.OPEN)),
    ),
    Deed("renew keys", frozenset({"owner", "admin", "member"}), lambda s, p: s.commit()),
)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_a37_the_role_matrix(role: str, deed: Deed) -> None:
    policy = room(ALICE, JoinRule.INVITE, admins=(BOB,))
    table, alice, bob, carol = seated(policy)
    dora = table.welcome(Person.named("dora").device())
    actor = {"owner": alice, "admin": bob, "member": carol}[role]
    if deed.name == "remove the owner" and role == "owner":
        return  # MLS itself lets nobody commit his own removal
    deed.do(actor, policy)
    judges = [seat for seat in (alice, bob, dora) if seat is not actor]
    expected = "accepted" if role in deed.allowed else "refused"
    assert [seat.verdict for seat in judges] == [expected] * len(judges)
