"""What can happen in a group of both libraries; `by` is the library of whoever commits.

Never compares anything: world.py does, after each event.
"""

from collections.abc import Callable

from crypto.mls.proposals import GroupContextExtensions, PreSharedKey
from crypto.mls.psk import ResumptionPskId, ResumptionUsage, fresh_nonce
from tests.interop.world import Clients, World


def add(world: World, by: Clients) -> None:
    world.invite(world.someone(by), world.newcomers(), [])


def add_by_proposal(world: World, by: Clients) -> None:
    committer, new = world.someone(by), world.newcomers()
    for add in world.adds(new):
        world.propose(world.someone(), add)
    world.invite(committer, new, [], proposed=True)


def remove(world: World, by: Clients) -> None:
    committer = world.someone(by)
    gone = world.dispensable(max(2, world.size - world.aim), but=[committer])
    world.commit(committer, world.removes(gone), gone)


def remove_by_proposal(world: World, by: Clients) -> None:
    committer = world.someone(by)
    gone = world.dispensable(2, but=[committer])
    for remove in world.removes(gone):
        world.propose(world.someone(world.other(by)), remove)
    world.commit(committer, [], gone)


def replace(world: World, by: Clients) -> None:
    """Some go and others come in one Commit, so that leaves change hands."""
    committer = world.someone(by)
    gone = world.dispensable(2, but=[committer])
    world.invite(committer, world.newcomers(), world.removes(gone), gone)


def update(world: World, by: Clients) -> None:
    committer = world.someone(by)
    for name in world.some(3, but=[committer]):
        world.propose(name, None)
    world.commit(committer, [])


def refresh(world: World, by: Clients) -> None:
    world.commit(world.someone(by), [], path=True)


def mix(world: World, by: Clients) -> None:
    """Proposals of several members by reference, beside others by value."""
    committer = world.someone(by)
    gone = world.dispensable(2, but=[committer])
    for name in world.some(2, but=[committer, *gone]):
        world.propose(name, None)
    if world.chance(0.5):
        for psk in world.psk_proposals(world.new_psks(2)):
            world.propose(world.someone(), psk)
    new = world.newcomers()
    if world.chance(0.5):
        for add in world.adds(new):
            world.propose(world.someone(), add)
        world.invite(committer, new, world.removes(gone), gone, proposed=True)
    else:
        for remove in world.removes(gone):
            world.propose(world.someone(but=gone), remove)
        world.invite(committer, new, [], gone)


def mix_psks(world: World, by: Clients) -> None:
    world.commit(world.someone(by), world.psk_proposals(world.new_psks(3)))


def add_with_psk(world: World, by: Clients) -> None:
    world.invite(world.someone(by), world.newcomers(), world.psk_proposals(world.new_psks(2)))


def resume(world: World, by: Clients) -> None:
    """A resumption PSK of the present epoch."""
    nonce = fresh_nonce(world.suite, random=world.rng.randbytes)
    psk = ResumptionPskId(ResumptionUsage.APPLICATION, world.group_id, world.epoch, nonce)
    world.commit(world.someone(by), [PreSharedKey(psk)])


def change_extensions(world: World, by: Clients) -> None:
    world.commit(world.someone(by), [GroupContextExtensions(world.extensions())])


def join_from_outside(world: World, by: Clients) -> None:
    """At times with PSKs, which ts-mls reads here and cannot bring."""
    ids = world.new_psks(2) if by is world.ours and world.chance(0.5) else []
    psks = {psk_id: world.psks[psk_id] for psk_id in ids}
    world.come_from_outside(world.newborn(by), psks, old_leaf=None)


def resync(world: World, by: Clients) -> None:
    """A member comes back from outside and removes its own old leaf."""
    name = world.someone(by)
    world.come_from_outside(name, {}, old_leaf=world.views[name].leaf)


def remove_from_outside(world: World, by: Clients) -> None:
    """An external sender of either library asks for it, and a member commits it."""
    committer = world.someone(by)
    (gone,) = world.dispensable(1, but=[committer])
    world.propose_from_outside(world.removes([gone])[0])
    world.commit(committer, [], [gone])


def add_from_outside(world: World, by: Clients) -> None:
    """The same for a newcomer."""
    new = [world.newborn(world.rng.choice((world.ours, world.theirs)))]
    world.propose_from_outside(world.adds(new)[0])
    world.invite(world.someone(by), new, [], proposed=True)


def ask_to_join(world: World, by: Clients) -> None:
    """A newcomer proposes itself, and a member commits it."""
    name = world.newborn(world.rng.choice((world.ours, world.theirs)))
    data = world.style().authenticated_data
    world.spread_proposal(world.library_of[name].propose_itself(name, world.told(), data), data)
    world.invite(world.someone(by), [name], [], proposed=True)


Event = Callable[[World, Clients], None]
GROWING: tuple[Event, ...] = (
    add,
    add_by_proposal,
    add_from_outside,
    add_with_psk,
    ask_to_join,
    join_from_outside,
)
SHRINKING: tuple[Event, ...] = (remove, remove_by_proposal, remove_from_outside)
STAYING: tuple[Event, ...] = (
    replace,
    update,
    refresh,
    mix,
    mix_psks,
    resume,
    change_extensions,
    resync,
)
EVENTS = (*GROWING, *SHRINKING, *STAYING)
