"""Applies a valid list of proposals to a tree and its extensions, in the RFC's order. 12.3.

Never validates: the lists come from proposal_rules.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNode
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import (
    NO_PATH_NEEDED,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from crypto.mls.psk import PskId
from crypto.mls.ratchet_tree import RatchetTree


@dataclass(frozen=True, slots=True)
class Member:
    """A leaf that is not blank, as others see it."""

    leaf_index: int
    credential: Credential
    signature_key: bytes
    encryption_key: bytes


def member_at(leaf_index: int, leaf: LeafNode) -> Member:
    """The member that a LeafNode describes."""
    return Member(leaf_index, leaf.credential, leaf.signature_key, leaf.encryption_key)


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody who comes or goes; a removed member is described as it was."""

    kind: Literal["added", "removed"]
    leaf_index: int
    member: Member


@dataclass(frozen=True, slots=True)
class Applied:
    """What a list of proposals makes of a tree, before the path."""

    tree: RatchetTree
    extensions: tuple[Extension, ...]
    added: tuple[tuple[int, KeyPackage], ...]
    changes: tuple[Change, ...]
    psks: tuple[PskId, ...]
    external_init: bytes | None
    reinit: ReInit | None
    replaces_extensions: bool
    needs_path: bool

    @property
    def added_leaves(self) -> frozenset[int]:
        """Where new members landed."""
        return frozenset(index for index, _ in self.added)


def apply_proposals(
    tree: RatchetTree, extensions: tuple[Extension, ...], resolved: Sequence[ResolvedProposal]
) -> Applied:
    """The tree and the extensions after these proposals."""
    proposals = [one.proposal for one in resolved]
    replaced = [p.extensions for p in proposals if isinstance(p, GroupContextExtensions)]
    kem_outputs = [p.kem_output for p in proposals if isinstance(p, ExternalInit)]
    reinits = [p for p in proposals if isinstance(p, ReInit)]
    changed, changes = _without_removed(_with_updates(tree, resolved), resolved)
    changed, added = _with_added(changed, resolved)
    changes += [Change("added", i, member_at(i, package.leaf_node)) for i, package in added]
    return Applied(
        changed,
        replaced[0] if replaced else extensions,
        added,
        tuple(changes),
        psks=tuple(p.psk for p in proposals if isinstance(p, PreSharedKey)),
        external_init=kem_outputs[0] if kem_outputs else None,
        reinit=reinits[0] if reinits else None,
        replaces_extensions=bool(replaced),
        needs_path=not proposals or not all(isinstance(p, NO_PATH_NEEDED) for p in proposals),
    )


def _with_updates(tree: RatchetTree, resolved: Sequence[ResolvedProposal]) -> RatchetTree:
    for one in resolved:
        if isinstance(one.proposal, Update):
            tree = tree.update(one.sender.index, one.proposal.leaf_node)
    return tree


def _without_removed(
    tree: RatchetTree, resolved: Sequence[ResolvedProposal]
) -> tuple[RatchetTree, list[Change]]:
    changes: list[Change] = []
    for one in resolved:
        if isinstance(one.proposal, Remove):
            index = one.proposal.removed
            leaf = tree.leaf(index)
            assert leaf is not None  # each Remove names another member
            changes.append(Change("removed", index, member_at(index, leaf)))
            tree = tree.remove(index)
    return tree, changes


def _with_added(
    tree: RatchetTree, resolved: Sequence[ResolvedProposal]
) -> tuple[RatchetTree, tuple[tuple[int, KeyPackage], ...]]:
    packages = [one.proposal.key_package for one in resolved if isinstance(one.proposal, Add)]
    tree, indexes = tree.add_all([package.leaf_node for package in packages])
    return tree, tuple(zip(indexes, packages, strict=True))
