"""What a log or a traceback would show of a group: no secret, and nothing that anybody said."""

from crypto.mls.extensions import Extension
from crypto.mls.framing import ContentType, FramedContent, member
from crypto.mls.group import open_welcome
from tests.crypto.mls.clients import add, group_of, key_package, signing_key

SAID = b"meet me at nine"
ROOM_SECRET = b"the key of a password room"


def test_a91_what_somebody_said_is_not_shown() -> None:
    members = group_of("alice", "bob")
    _, message = members["alice"].protect(SAID, signer=signing_key("alice"))
    after, opened = members["bob"].unprotect(message)
    content = FramedContent(b"g", 0, member(0), b"", ContentType.APPLICATION, SAID)
    assert opened.data == content.content == SAID
    assert SAID.decode() not in repr((opened, after, content))


def test_a91_what_a_welcome_brings_is_not_shown() -> None:
    alice, own = group_of("alice")["alice"], key_package("bob")
    secret = Extension(0xF300, ROOM_SECRET)
    commit = alice.draft([add(own)]).finish(
        signer=signing_key("alice"), welcome_extensions=[secret]
    )
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    assert secret in opened.group_info.extensions
    assert ROOM_SECRET.decode() not in repr((opened, opened.group_info, secret, commit))


def test_a91_no_secret_of_a_group_is_shown() -> None:
    alice = group_of("alice", "bob")["alice"]
    shown = repr((alice, alice.secrets, alice.secret_tree))
    for secret in (alice.secrets.init, alice.secrets.exporter, *alice.private_keys.values()):
        assert repr(secret)[2:-1] not in shown
