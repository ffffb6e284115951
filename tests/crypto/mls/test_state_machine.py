"""Groups in which anything may happen next: members agree, stores suffice, nothing is read twice.

`python -m tests.crypto.mls.test_state_machine 1000` tries that many sessions, others each time.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crypto.errors import UsageError
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_remove, new_member_proposal
from crypto.mls.group import Draft, Group
from crypto.mls.proposals import (
    GroupContextExtensions,
    Proposal,
    Remove,
    external_psk,
    resumption_psk,
)
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import EXTENSION, RELAY, add, relay_extension, signing_key
from tests.crypto.mls.worlds import PSK_ID, PSKS, World, wire_format

MOST_MEMBERS = 8
PLACE = st.integers(0, 2**16)
MIXED_IN = st.sampled_from(["password", "old key", "extensions"])
# Not an old key: whoever commits it together with an Add shuts the newcomer out, who never had it.
PROPOSED = st.sampled_from(["add", "remove", "password", "extensions"])


class Groups(RuleBasedStateMachine):
    """Each rule is something that a member, a newcomer or the relay may do at any time."""

    @initialize(seed=st.integers(0, 2**16), others=st.integers(0, 5))
    def found(self, seed: int, others: int) -> None:
        self.world = World(seed)
        for which in range(others):
            self.commit(which, "add", 0, waits=False)

    def someone(self, place: int, besides: str = "") -> str:
        names = [name for name in self.world.names() if name != besides]
        return names[place % len(names)]

    def is_alone(self) -> bool:
        return len(self.world.members) == 1

    def has_room(self) -> bool:
        return len(self.world.members) < MOST_MEMBERS

    # Messages.

    @rule(
        who=PLACE,
        padding=st.integers(0, 40),
        late=st.sets(PLACE, max_size=MOST_MEMBERS),
        crashes=st.booleans(),
    )
    def speak(self, who: int, padding: int, late: set[int], crashes: bool) -> None:
        """Most read it at once, some later or never; it may get lost on its way to all of them."""
        name, world = self.someone(who), self.world
        if crashes:
            world.crash(name)
        if world.group(name).pending_proposals:
            with pytest.raises(UsageError):
                world.speak(name, padding)
            return
        world.speak(name, padding, arrives=len(late) < MOST_MEMBERS)
        waiting = {self.someone(place) for place in late}
        for other in world.members.keys() - waiting - {name}:
            member = world.members[other]
            if member.unread and member.unread[-1].epoch == member.group.epoch:
                world.read(other, -1)
                world.read_again(other, -1)

    @rule(who=PLACE, which=PLACE, crashes=st.booleans())
    def read(self, who: int, which: int, crashes: bool) -> None:
        name = self.someone(who)
        member = self.world.members[name]
        if not member.unread:
            return
        place = which % len(member.unread)
        self.world.read(name, place, crashes=crashes)

    @rule(who=PLACE, which=PLACE, crashes=st.booleans())
    def read_again(self, who: int, which: int, crashes: bool) -> None:
        name = self.someone(who)
        read = self.world.members[name].read
        if crashes:
            self.world.crash(name)
        if read:
            self.world.read_again(name, which % len(read))

    # Proposals.

    def wanted(self, name: str, content: str, which: int) -> list[Proposal]:
        """Proposals of that member, with others chosen by the number `which`."""
        world, group = self.world, self.world.group(name)
        match content:
            case "add" if self.has_room():
                return [add(world.a_key_package()) for _ in range(1 + which % 3)]
            case "remove" if not self.is_alone():
                return [Remove(world.group(self.someone(which, besides=name)).own_leaf)]
            case "password":
                return [external_psk(SUITE_1, PSK_ID, random=world.randbytes)]
            case "old key":
                epoch, rng = group.epoch, world.randbytes
                return [resumption_psk(SUITE_1, group.group_id, epoch, random=rng)]
            case "extensions":
                policy = Extension(EXTENSION, world.randbytes(3))
                return [GroupContextExtensions((relay_extension(), policy))]
            case _:
                return []

    @precondition(lambda self: not self.is_alone())
    @rule(who=PLACE, which=PLACE, content=PROPOSED, in_the_open=st.booleans())
    def propose(self, who: int, which: int, content: str, in_the_open: bool) -> None:
        name, world = self.someone(who), self.world
        signer = world.members[name].config.signer
        for proposal in self.wanted(name, content, which):
            world.propose(
                name,
                lambda group, proposal=proposal: group.propose(
                    proposal,
                    signer=signer,
                    wire_format=wire_format(in_the_open),
                    random=world.randbytes,
                ),
            )

    @precondition(lambda self: not self.is_alone())
    @rule(who=PLACE, in_the_open=st.booleans())
    def propose_update(self, who: int, in_the_open: bool) -> None:
        name, world = self.someone(who), self.world
        own = world.members[name].config
        world.propose(
            name,
            lambda group: group.propose_update(
                own,
                signer=own.signer,
                wire_format=wire_format(in_the_open),
                random=world.randbytes,
            ),
        )

    @precondition(lambda self: not self.is_alone())
    @rule(who=PLACE)
    def ban(self, who: int) -> None:
        group = self.world.group(self.someone(who))
        message = external_remove(
            suite=SUITE_1,
            group_id=group.group_id,
            epoch=group.epoch,
            leaf_index=group.own_leaf,
            authenticated_data=b"the order",
            signer=RELAY,
        )
        self.world.receive_proposal(message)

    @precondition(lambda self: self.has_room())
    @rule()
    def ask_to_be_added(self) -> None:
        group = self.world.group(self.someone(0))
        own = self.world.a_key_package()
        asking = add(own).key_package
        message = new_member_proposal(
            asking,
            suite=SUITE_1,
            group_id=group.group_id,
            epoch=group.epoch,
            authenticated_data=b"",
            signer=signing_key(asking.leaf_node.credential.identity.decode()),
        )
        self.world.receive_proposal(message)

    # Commits. While one waits for the relay, messages, proposals and other Commits may come.

    def commit(
        self,
        who: int,
        content: str,
        which: int,
        *,
        waits: bool,
        path: bool = True,
        rotates: bool = False,
        in_the_open: bool = False,
    ) -> None:
        name, world = self.someone(who), self.world
        if name in world.made:
            return
        own = world.members[name].config
        if rotates:
            own = replace(own, signer=signing_key(f"{name} {world.group(name).epoch}"))
        wanted = self.wanted(name, content, which)

        def draft(group: Group) -> Draft:
            return group.draft(
                wanted,
                psks=PSKS,
                include_pending=content != "old key",
                path=path,
                config=own if rotates else None,
                random=world.randbytes,
            )

        world.make(name, draft, own, in_the_open=in_the_open)
        if not waits:
            world.accept(name, crashes=False)

    @rule(
        who=PLACE, which=PLACE, waits=st.booleans(), path=st.booleans(), in_the_open=st.booleans()
    )
    def add(self, who: int, which: int, waits: bool, path: bool, in_the_open: bool) -> None:
        self.commit(who, "add", which, waits=waits, path=path, in_the_open=in_the_open)

    @rule(who=PLACE, which=PLACE, waits=st.booleans(), in_the_open=st.booleans())
    def remove(self, who: int, which: int, waits: bool, in_the_open: bool) -> None:
        self.commit(who, "remove", which, waits=waits, in_the_open=in_the_open)

    @rule(who=PLACE, waits=st.booleans(), rotates=st.booleans())
    def refresh(self, who: int, waits: bool, rotates: bool) -> None:
        self.commit(who, "nothing", 0, waits=waits, rotates=rotates)

    @rule(who=PLACE, waits=st.booleans(), path=st.booleans(), content=MIXED_IN)
    def mix_in(self, who: int, waits: bool, path: bool, content: str) -> None:
        self.commit(who, content, 0, waits=waits, path=path)

    @precondition(lambda self: self.world.made)
    @rule(which=PLACE, crashes=st.booleans())
    def accept(self, which: int, crashes: bool) -> None:
        made = sorted(self.world.made)
        name = made[which % len(made)]
        self.world.accept(name, crashes=crashes)

    @rule(who=PLACE, returns=st.booleans(), knows_password=st.booleans())
    def join(self, who: int, returns: bool, knows_password: bool) -> None:
        """Somebody new comes from outside, or a member that has lost step comes back."""
        psk_ids = [PSK_ID] if knows_password else []
        replaces = self.someone(who) if returns or not self.has_room() else None
        name = replaces or self.world.newborn()
        self.world.join(name, replaces=replaces, psk_ids=psk_ids)

    @invariant()
    def all_agree(self) -> None:
        self.world.check()


Groups.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
TestGroups = Groups.TestCase


if __name__ == "__main__":
    run_state_machine_as_test(
        Groups,
        settings=settings(
            Groups.TestCase.settings,
            max_examples=int(sys.argv[1]),
            stateful_step_count=80,
            derandomize=False,
        ),
    )
