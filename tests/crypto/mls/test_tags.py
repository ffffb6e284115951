"""Every tag has to be whole: cut, empty or longer ones are refused wherever a tag stands."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from crypto.errors import PeerError
from crypto.mls.commit import UpdatePath
from crypto.mls.drafting import Finishing
from crypto.mls.framing import AuthenticatedContent, ContentType, PublicMessage, member
from crypto.mls.group import Group, OwnCommit, UnusablePath, external_draft
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposals import Remove
from crypto.mls.treekem import NewPath
from crypto.mls.welcome import (
    GroupInfo,
    decode_group_info,
    decode_welcome,
    encode_group_info,
    encode_welcome,
)
from tests.crypto.mls.clients import (
    add,
    config,
    forged,
    group_of,
    key_package,
    signing_key,
    tree_of,
)
from tests.crypto.mls.lying import group_info_of, public, resigned, rewelcomed
from tests.crypto.mls.refusing import refused, refused_welcome, still_works

HASH_LENGTH = 32
AEAD_TAG = 16


@pytest.fixture(scope="module")
def members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol")


def _wrong(tag: bytes) -> list[bytes]:
    """The tag cut to every length, made longer, and changed in one bit at either end."""
    cut = [tag[:size] for size in range(len(tag))]
    flipped = [bytes((tag[0] ^ 1,)) + tag[1:], tag[:-1] + bytes((tag[-1] ^ 0x80,))]
    return [*cut, tag + b"\x00", tag + tag, *flipped]


# Membership and confirmation tags.


def test_a30_a_membership_tag_is_whole(members: dict[str, Group]) -> None:
    right = decode_message(public(members["bob"], Remove(2), member(1), signing_key("bob")))
    assert isinstance(right, PublicMessage)
    assert right.membership_tag is not None
    assert len(right.membership_tag) == HASH_LENGTH
    for tag in _wrong(right.membership_tag):
        wrong = encode_message(replace(right, membership_tag=tag))
        code = refused(members, "alice", lambda group, m=wrong: group.receive_proposal(m))
        assert code == "bad_membership_tag"
    taken = members["alice"].receive_proposal(encode_message(right))
    assert len(taken.pending_proposals) == 1


def test_a30_the_confirmation_tag_of_a_commit_from_outside_is_whole(
    members: dict[str, Group],
) -> None:
    """Nothing else covers it: a relay could change it on the way."""
    info = members["alice"].signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(members["alice"]), config=config("dave"))
    commit = draft.finish(signer=signing_key("dave"))
    right = decode_message(commit.message)
    assert isinstance(right, PublicMessage)
    assert right.auth.confirmation_tag is not None
    for tag in _wrong(right.auth.confirmation_tag):
        wrong = encode_message(replace(right, auth=replace(right.auth, confirmation_tag=tag)))
        code = refused(members, "bob", lambda group, m=wrong: group.stage(m))
        assert code == "bad_confirmation_tag"
    staged = members["bob"].stage(commit.message).group
    assert staged is not None
    assert staged.epoch_authenticator == commit.group.epoch_authenticator


@dataclass(frozen=True)
class Tagging(Finishing[Group]):
    """Puts another confirmation tag into a member's Commit."""

    tag: Callable[[bytes], bytes] = bytes

    def _protected(self, message: AuthenticatedContent) -> tuple[Group | None, bytes]:
        assert message.auth.confirmation_tag is not None
        auth = replace(message.auth, confirmation_tag=self.tag(message.auth.confirmation_tag))
        return super()._protected(replace(message, auth=auth))


def _tagged(group: Group, name: str, tag: Callable[[bytes], bytes]) -> OwnCommit:
    return Tagging(group.draft(), signing_key(name), os.urandom, tag).own_commit(b"", (), ())


@pytest.mark.parametrize("number", range(HASH_LENGTH + 4))
def test_a30_the_confirmation_tag_of_a_members_commit_is_whole(
    members: dict[str, Group], number: int
) -> None:
    bob = members["bob"]
    commit = _tagged(bob, "bob", lambda tag: _wrong(tag)[number])
    code = refused(members, "alice", lambda group: group.stage(commit.message))
    assert code == "bad_confirmation_tag"
    real = bob.draft().finish(signer=signing_key("bob"))  # under the same key of bob's ratchet
    staged = members["alice"].stage(real.message).group
    assert staged is not None
    assert staged.epoch_authenticator == real.group.epoch_authenticator


# What a newcomer is given.


def test_a30_the_confirmation_tag_in_a_welcome_is_whole(members: dict[str, Group]) -> None:
    own = key_package("erin")
    commit = members["alice"].draft([add(own)]).finish(signer=signing_key("alice"))
    for tag in _wrong(commit.group.confirmation_tag):

        def change(info: GroupInfo, tag: bytes = tag) -> GroupInfo:
            return resigned(replace(info, confirmation_tag=tag), signing_key("alice"))

        code = refused_welcome(rewelcomed(commit, own, info=change), commit, own)
        assert code == "bad_confirmation_tag"


def test_a30_who_joins_with_a_wrong_confirmation_tag_is_refused_by_all(
    members: dict[str, Group],
) -> None:
    """Whoever is outside cannot check the tag; it goes into the transcript of its Commit."""
    alice = members["alice"]
    for tag in _wrong(alice.confirmation_tag):
        info = group_info_of(alice, "alice", confirmation_tag=tag)
        commit = external_draft(info, tree_of(alice), config=config("dave")).finish(
            signer=signing_key("dave")
        )
        code = refused(members, "bob", lambda group, c=commit: group.stage(c.message))
        assert code == "bad_confirmation_tag"


def test_a30_the_signature_of_a_group_info_is_whole(members: dict[str, Group]) -> None:
    alice = members["alice"]
    info = decode_group_info(alice.signed_group_info(signing_key("alice")))
    for signature in _wrong(info.signature):
        wrong = encode_group_info(replace(info, signature=signature))
        with pytest.raises(PeerError) as caught:
            external_draft(wrong, tree_of(alice), config=config("dave"))
        assert caught.value.code == "bad_signature"


def test_a30_the_ciphertexts_of_a_welcome_are_whole(members: dict[str, Group]) -> None:
    own = key_package("erin")
    commit = members["alice"].draft([add(own)]).finish(signer=signing_key("alice"))
    assert commit.welcome is not None
    right = decode_welcome(commit.welcome)
    entry = right.secrets[0]
    sealed = entry.encrypted_group_secrets
    for ciphertext in _wrong(sealed.ciphertext):
        spoilt = replace(sealed, ciphertext=ciphertext)
        wrong = replace(right, secrets=(replace(entry, encrypted_group_secrets=spoilt),))
        assert refused_welcome(encode_welcome(wrong), commit, own) == "decryption_failed"
    whole = len(right.encrypted_group_info)
    for size in (*range(AEAD_TAG + 2), whole - AEAD_TAG, whole - 1):
        cut = rewelcomed(commit, own, encrypted=lambda sealed, size=size: sealed[:size])
        assert refused_welcome(cut, commit, own) == "decryption_failed"
    longer = rewelcomed(commit, own, encrypted=lambda sealed: sealed + b"\x00")
    assert refused_welcome(longer, commit, own) == "decryption_failed"


# What a path carries.


@pytest.mark.parametrize("size", [*range(AEAD_TAG + 2), HASH_LENGTH, HASH_LENGTH + AEAD_TAG - 1])
def test_a30_a_sealed_path_secret_is_whole(members: dict[str, Group], size: int) -> None:
    def spoil(path: UpdatePath) -> UpdatePath:
        first = path.nodes[0]
        cut = tuple(
            replace(sealed, ciphertext=sealed.ciphertext[:size])
            for sealed in first.encrypted_path_secrets
        )
        return replace(path, nodes=(replace(first, encrypted_path_secrets=cut), *path.nodes[1:]))

    commit = forged(members["alice"], "alice", spoil=spoil)
    with pytest.raises(UnusablePath) as caught:
        members["bob"].stage(commit.message)
    assert caught.value.code == "decryption_failed"
    still_works(members, "bob")
    assert members["carol"].stage(commit.message).group is not None


@dataclass(frozen=True)
class Resizing(Finishing[Group]):
    """Seals path secrets of another length."""

    size: int = HASH_LENGTH

    def _sealed(self, path: NewPath, context: bytes) -> UpdatePath:
        secrets = {
            level: (secret + bytes(self.size))[: self.size]
            for level, secret in path.path.secrets.items()
        }
        return super()._sealed(replace(path, path=replace(path.path, secrets=secrets)), context)


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_path_secret_has_its_length(members: dict[str, Group], size: int) -> None:
    draft = members["alice"].draft()
    commit = Resizing(draft, signing_key("alice"), os.urandom, size).own_commit(b"", (), ())
    with pytest.raises(UnusablePath) as caught:
        members["bob"].stage(commit.message)
    assert caught.value.code == "VAL-7.5-1"
    still_works(members, "bob")


@pytest.mark.parametrize("kind", [ContentType.APPLICATION, ContentType.COMMIT])
def test_a30_the_ciphertexts_of_a_message_are_whole(
    members: dict[str, Group], kind: ContentType
) -> None:
    bob, signer = members["bob"], signing_key("bob")
    if kind is ContentType.APPLICATION:
        message = bob.protect(b"hi", signer=signer)[1]
    else:
        message = bob.draft().finish(signer=signer).message
    right = decode_message(message)
    acts: dict[ContentType, Callable[[Group, bytes], object]] = {
        ContentType.APPLICATION: Group.unprotect,
        ContentType.COMMIT: Group.stage,
    }
    for name in ("ciphertext", "encrypted_sender_data"):
        whole: bytes = getattr(right, name)
        for size in (*range(AEAD_TAG + 2), len(whole) - AEAD_TAG, len(whole) - 1):
            cut = encode_message(replace(right, **{name: whole[:size]}))  # type: ignore[arg-type]
            code = refused(members, "alice", lambda group, m=cut: acts[kind](group, m))
            assert code == "decryption_failed"
