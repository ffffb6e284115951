"""Hostile messages for a small group: each is refused with a PeerError, or everybody agrees on it.

The first byte chooses the door, the others what comes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import TypeVar

from crypto.errors import PeerError
from crypto.mls.framing import ContentType, Sender, SenderType
from crypto.mls.group import (
    Group,
    InvalidCommit,
    OwnCommit,
    decode_group_info,
    external_draft,
    from_rows,
    open_welcome,
    rows,
)
from crypto.mls.proposals import encode_proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.validation import check_tree
from crypto.mls.welcome import encode_group_info
from tests.crypto.mls.clients import config, signing_key
from tests.fuzz import envelopes, forgeries, invitations, real
from tests.fuzz.choices import Choices, edited
from tests.fuzz.world import PSKS, seeded, world

T = TypeVar("T")

_CHECKED_EVERY = 256
# What one member may lack and another have, so that they need not agree: a resumption key of an
# epoch before the member came.
_OWN_FAULTS = frozenset({"VAL-12.4.2-3"})
_BAD_TAG = "bad_confirmation_tag"


class _Unforgeable(Exception):
    """These choices make no message: the forger itself stumbled."""


@contextmanager
def _forging() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Unforgeable from error


def _refused_or(act: Callable[[], T]) -> T | PeerError:
    try:
        return act()
    except PeerError as error:
        return error


def _members(choices: Choices) -> dict[str, Group]:
    return world().pending if choices.yes() else world().members


def _others(members: dict[str, Group], sender: str) -> dict[str, Group]:
    return {name: group for name, group in members.items() if name != sender}


def _commit(choices: Choices) -> None:
    members = _members(choices)
    name = choices.one_of(sorted(members))
    with _forging():
        made = forgeries.commit(members, name, choices)
    _judge(_others(members, name), made)


def _commit_from_outside(choices: Choices) -> None:
    members = _members(choices)
    with _forging():
        made = forgeries.commit_from_outside(members["alice"], choices)
    _judge(members, made)


def _judge(receivers: dict[str, Group], made: OwnCommit[Group]) -> None:
    """Whatever fails in public fails for everybody alike; who accepts is where the committer is."""
    verdicts = [
        _refused_or(lambda group=group: group.stage(made.message, psks=PSKS))
        for group in receivers.values()
    ]
    invalid = {one.code for one in verdicts if isinstance(one, InvalidCommit)} - _OWN_FAULTS
    if invalid - {_BAD_TAG}:
        assert len(invalid) == 1, f"members do not agree: {invalid}"
        assert all(isinstance(one, InvalidCommit) for one in verdicts), "some do not refuse"
    for one in verdicts:
        if not isinstance(one, PeerError) and one.group is not None:
            assert one.group.epoch_authenticator == made.group.epoch_authenticator
            _check_reloads(one.group)


def _check_reloads(group: Group) -> None:
    stored = rows(group)
    assert rows(from_rows(stored)) == stored


def _private(choices: Choices) -> None:
    members = _members(choices)
    name = choices.one_of(sorted(members))
    kind = choices.one_of(tuple(ContentType))
    with _forging():
        body = _body(members[name], kind, choices)
        message = envelopes.private(members[name], name, kind, body, choices)
    doors = {
        ContentType.APPLICATION: Group.unprotect,
        ContentType.PROPOSAL: Group.receive_proposal,
        ContentType.COMMIT: Group.stage,
    }
    for group in list(_others(members, name).values())[:2]:
        _refused_or(lambda group=group: doors[kind](group, message))


def _body(group: Group, kind: ContentType, choices: Choices) -> bytes:
    match kind:
        case ContentType.APPLICATION:
            return choices.take(choices.byte())
        case ContentType.PROPOSAL:
            body = encode_proposal(forgeries.a_proposal(group, choices))
        case _:
            body = forgeries.commit_body(choices.one_of(real.commit_bodies()), group, choices)
    return edited(body, choices) if choices.yes() else body


def _proposal(choices: Choices) -> None:
    """A proposal that all accept can be committed by anybody, whatever stands in it."""
    members = world().members
    name = choices.one_of(sorted(members))
    with _forging():
        proposal = encode_proposal(forgeries.a_proposal(members[name], choices))
        message = envelopes.private(
            members[name], name, ContentType.PROPOSAL, proposal, Choices(b"")
        )
    _commit_received(members, name, message, choices)


def _public(choices: Choices) -> None:
    members = _members(choices)
    name = choices.one_of(sorted(members))
    kind = choices.one_of(tuple(SenderType))
    with _forging():
        body = encode_proposal(forgeries.a_proposal(members[name], choices))
        sender = Sender(kind, members[name].own_leaf if kind is SenderType.MEMBER else 0)
        message = envelopes.public(members[name], sender, name, body, choices)
    _commit_received(members, name, message, choices)


def _commit_received(
    members: dict[str, Group], sender: str, message: bytes, choices: Choices
) -> None:
    others = _others(members, sender)
    after = {n: _refused_or(lambda g=g: g.receive_proposal(message)) for n, g in others.items()}
    refusals = {one.code for one in after.values() if isinstance(one, PeerError)}
    accepted = {n: one for n, one in after.items() if isinstance(one, Group)}
    if refusals or not accepted:
        assert len(refusals) == 1, f"members do not agree: {refusals}"
        assert not accepted, "some accept"
        return
    committer = choices.one_of(sorted(accepted))
    rng = seeded(1000 + choices.byte())  # nobody guesses, and proposes, a committer's next key
    draft = accepted[committer].draft(path=choices.yes(), psks=PSKS, random=rng)
    made = draft.finish(signer=signing_key(committer), random=rng)
    for name, group in accepted.items():
        if name == committer:
            continue
        staged = _refused_or(lambda group=group: group.stage(made.message, psks=PSKS))
        if isinstance(staged, PeerError):
            assert staged.code in _OWN_FAULTS, f"what was covered is refused: {staged.code}"
        elif staged.group is not None:
            assert staged.group.epoch_authenticator == made.group.epoch_authenticator


def _group_info(choices: Choices) -> None:
    alice = world().members["alice"]
    with _forging():
        tree = invitations.tree(alice, choices) if choices.yes() else alice.tree
        info = decode_group_info(alice.signed_group_info(signing_key("alice")))
        info = invitations.group_info(info, tree, choices)
        message = encode_group_info(info)
        if choices.rarely():
            message = edited(message, choices)
    rng = seeded(choices.byte())

    def join() -> None:
        draft = external_draft(message, tree, config=config("grace"), random=rng)
        draft.finish(signer=signing_key("grace"), random=rng)

    _refused_or(join)


def _tree(choices: Choices) -> None:
    alice = world().members["alice"]
    data = edited(alice.tree.encode(), choices)

    def check() -> None:
        tree = RatchetTree.decode(SUITE_1, data)
        check_tree(tree, group_id=alice.group_id, extensions=alice.extensions)
        assert tree.encode() == data

    _refused_or(check)


def _welcome(choices: Choices) -> None:
    with _forging():
        message, own, tree = invitations.welcome(choices)

    def join() -> Group:
        earlier = invitations.earlier()
        opened = open_welcome(message, {own.reference: own}, psks=PSKS, earlier=earlier)
        return opened.join(tree)

    joined = _refused_or(join)
    if isinstance(joined, Group):
        _check_reloads(joined)


def _raw(choices: Choices) -> None:
    """Real messages with changed bytes: nothing is accepted but the message as it was."""
    message = choices.one_of(real.messages())
    sent = edited(message, choices)
    for members in (world().members, world().pending):
        group = members["bob"]
        for door in (group.unprotect, group.receive_proposal, group.stage):
            accepted = not isinstance(_refused_or(lambda door=door: door(sent)), PeerError)
            assert not accepted or sent == message, "a changed message was accepted"


DOORS: tuple[Callable[[Choices], None], ...] = (
    _commit,
    _commit_from_outside,
    _private,
    _proposal,
    _public,
    _group_info,
    _tree,
    _welcome,
    _raw,
)


def check_still_works() -> None:
    """What was refused has changed nothing: bob reads and follows what alice really sent."""
    bob = world().members["bob"]
    said, committed = real.good()
    assert bob.unprotect(said)[1].data == b"good"
    assert bob.stage(committed).group is not None
    assert rows(bob) == _rows_before()


@cache
def _rows_before() -> dict[str, bytes]:
    return rows(world().members["bob"])


_runs = count(1)


def run(data: bytes) -> None:
    """Send what the bytes choose through one door; an exception is a fault of ours."""
    choices = Choices(data, forgeries.known_bytes())
    _rows_before()
    try:
        choices.one_of(DOORS)(choices)
    except _Unforgeable:
        pass
    if next(_runs) % _CHECKED_EVERY == 0:
        check_still_works()
