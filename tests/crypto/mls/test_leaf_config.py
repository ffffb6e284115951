"""What a client says of itself in its leaves, and what it must not say."""

from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension, ExtensionType, RequiredCapabilities
from crypto.mls.group import Group, create, make_key_package
from crypto.mls.key_package import KeyPackage, LeafConfig
from crypto.mls.proposals import GroupContextExtensions
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import add, config, group_of, key_package, signing_key

TYPE, OTHER = 0xF001, 0xF0F0
CREDENTIAL = 0xF0C0


def _configured(name: str, **fields: object) -> LeafConfig:
    return replace(config(name), **fields)  # type: ignore[arg-type]


def _capabilities(**fields: object) -> object:
    return _configured("alice", **fields).capabilities(SUITE_1)


def test_a_client_chooses_what_it_claims() -> None:
    claimed = _configured(
        "alice",
        extension_types=(OTHER,),
        proposal_types=(TYPE,),
        credential_types=(1,),
        cipher_suites=(3, 1),
        versions=(1, 2),
        credential=Credential(CREDENTIAL, b"me"),
        extensions=(Extension(TYPE, b"x"), Extension(ExtensionType.APPLICATION_ID, b"a")),
    ).capabilities(SUITE_1)
    assert claimed.versions == (1, 2)
    assert claimed.cipher_suites == (1, 3)
    assert claimed.extensions == (10, TYPE, OTHER)
    assert claimed.proposals == (TYPE,)
    assert claimed.credentials == (1, CREDENTIAL)


@pytest.mark.parametrize("fields", [{"extension_types": (2,)}, {"proposal_types": (7,)}])
def test_default_types_are_not_listed(fields: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UsageError):
        _capabilities(**fields)


def test_leaf_extensions_stand_in_every_kind_of_leaf() -> None:
    extensions = (Extension(TYPE, b"in the leaf"), Extension(ExtensionType.APPLICATION_ID, b"a"))
    bobs = _configured("bob", extensions=extensions)
    alice = group_of("alice")["alice"]
    own = make_key_package(SUITE_1, bobs)
    commit = alice.draft([add(own)]).finish(signer=signing_key("alice"))
    assert _extensions(commit.group, 1) == extensions

    members = group_of("alice", "bob")
    committed = members["bob"].draft(config=bobs).finish(signer=signing_key("bob"))
    staged = members["alice"].stage(committed.message)
    assert staged.group is not None
    assert _extensions(staged.group, 1) == extensions

    bob, update = members["bob"].propose_update(bobs, signer=signing_key("bob"))
    alice = members["alice"].receive_proposal(update)
    merged = alice.draft().finish(signer=signing_key("alice"))
    assert _extensions(merged.group, 1) == extensions
    assert bob.stage(merged.message).group is not None

    founder = create(suite=SUITE_1, group_id=b"g", config=bobs)[0]
    assert _extensions(founder, 0) == extensions


def _extensions(group: Group, leaf: int) -> tuple[Extension, ...]:
    found = group.tree.leaf(leaf)
    assert found is not None
    return found.content.extensions


def test_a_key_package_has_only_extensions_that_its_leaf_supports() -> None:
    with pytest.raises(UsageError):
        make_key_package(SUITE_1, config("bob"), extensions=[Extension(TYPE, b"")])
    own = make_key_package(
        SUITE_1, _configured("bob", extension_types=(TYPE,)), extensions=[Extension(TYPE, b"")]
    )
    KeyPackage.decode(own.encoded).verify(SUITE_1)


def test_a_committer_may_bring_what_its_own_new_extensions_ask_for() -> None:
    members = group_of("alice")
    required = RequiredCapabilities(proposals=(TYPE,)).extension()
    supporting = _configured("alice", proposal_types=(TYPE,))
    draft = members["alice"].draft([GroupContextExtensions((required,))], config=supporting)
    group = draft.finish(signer=signing_key("alice")).group
    assert group.extension(ExtensionType.REQUIRED_CAPABILITIES) == required.data
    with pytest.raises(PeerError) as refused:
        members["alice"].draft([GroupContextExtensions((required,))])
    assert refused.value.code == "VAL-7.3-3"


def test_who_lacks_a_required_proposal_or_credential_is_not_added() -> None:
    for required in (
        RequiredCapabilities(proposals=(TYPE,)),
        RequiredCapabilities(credentials=(CREDENTIAL,)),
    ):
        founder = _configured("alice", proposal_types=(TYPE,), credential_types=(1, 2, CREDENTIAL))
        group = create(
            suite=SUITE_1, group_id=b"g", config=founder, extensions=[required.extension()]
        )[0]
        with pytest.raises(PeerError) as refused:
            group.draft([add(key_package("bob"))])
        assert refused.value.code == "VAL-7.3-3"
        able = replace(founder, signer=signing_key("bob"))
        group.draft([add(make_key_package(SUITE_1, able))])


def test_a_credential_type_comes_into_use_when_all_support_it() -> None:
    types = (1, CREDENTIAL)
    alice = create(
        suite=SUITE_1, group_id=b"g", config=_configured("alice", credential_types=types)
    )[0]
    own = make_key_package(SUITE_1, _configured("bob", credential_types=types))
    alice = alice.draft([add(own)]).finish(signer=signing_key("alice")).group
    new = _configured("alice", credential_types=types, credential=Credential(CREDENTIAL, b"a"))
    after = alice.draft(config=new).finish(signer=signing_key("alice")).group
    assert [member.credential.type for member in after.members()] == [CREDENTIAL, 1]

    unable = group_of("alice", "bob")["alice"]
    with pytest.raises(PeerError) as refused:
        unable.draft(config=_configured("alice", credential=Credential(CREDENTIAL, b"a")))
    assert refused.value.code == "VAL-7.3-4"


def test_an_unknown_proposal_type_has_to_be_supported_to_be_required() -> None:
    members = group_of("alice", "bob")
    required = RequiredCapabilities(proposals=(TYPE,)).extension()
    supporting = _configured("alice", proposal_types=(TYPE,))
    with pytest.raises(PeerError) as refused:
        members["alice"].draft([GroupContextExtensions((required,))], config=supporting)
    assert refused.value.code == "VAL-7.3-3"
