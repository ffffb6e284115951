"""Refusals that leave no trace: the state is as it was, and takes what is right afterwards."""

from collections.abc import Callable, Mapping

import pytest

from crypto.errors import PeerError
from crypto.mls.group import Group, OpenedWelcome, OwnCommit, OwnKeyPackage, open_welcome, rows
from tests.crypto.mls.clients import signing_key, tree_of


def refusal(
    group: Group, act: Callable[[Group], object], error: type[PeerError] = PeerError
) -> str:
    """The code with which a member refuses an act, which leaves each of its rows as it was."""
    before = rows(group)
    with pytest.raises(error) as caught:
        act(group)
    assert rows(group) == before
    return caught.value.code


def refused(members: Mapping[str, Group], name: str, act: Callable[[Group], object]) -> str:
    """The same for `name`, whom the others still reach afterwards."""
    code = refusal(members[name], act)
    still_works(members, name)
    return code


def still_works(members: Mapping[str, Group], name: str) -> None:
    """Somebody else's message and Commit are taken."""
    group, friend = members[name], next(other for other in members if other != name)
    other, signer = members[friend].without_pending(), signing_key(friend)
    _, message = other.protect(b"still here", signer=signer)
    assert group.unprotect(message)[1].data == b"still here"
    commit = other.draft().finish(signer=signer)
    staged = group.stage(commit.message)
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator


def refused_welcome(message: bytes, commit: OwnCommit, own: OwnKeyPackage) -> str:
    """The code with which a newcomer refuses a Welcome, after which it takes the right one."""
    tree, packages = tree_of(commit.group), {own.reference: own}
    with pytest.raises(PeerError) as caught:
        open_welcome(message, packages).join(tree)
    assert commit.welcome is not None
    opened: OpenedWelcome = open_welcome(commit.welcome, packages)
    assert opened.join(tree).epoch_authenticator == commit.group.epoch_authenticator
    return caught.value.code
