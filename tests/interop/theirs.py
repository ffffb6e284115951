"""Clients of ts-mls, as a session drives them: the methods of ours.py, asked of the Node process.

Never chooses anything.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crypto.mls.credential import Credential, CredentialType
from crypto.mls.extensions import Extension, encode_extensions
from crypto.mls.grease import GREASE_VALUES
from crypto.mls.key_package import KeyPackage
from crypto.mls.messages import decode_message
from crypto.mls.proposals import Proposal, encode_proposal
from tests.interop.exchange import (
    GROUP_EXTENSION,
    LIFETIME,
    Psks,
    Reads,
    Seen,
    Sent,
    Style,
    Told,
    Views,
)
from tests.interop.peer import Peer, encoded

Answer = Mapping[str, Any]


def _psks(psks: Psks) -> dict[str, str]:
    return {encoded(psk_id): encoded(psk) for psk_id, psk in psks.items()}


def _seen(answer: Answer) -> Seen:
    return Seen(
        answer["leaf"],
        answer["epoch"],
        b64decode(answer["authenticator"]),
        b64decode(answer["tree_hash"]),
        b64decode(answer["exported"]),
    )


def _style(style: Style) -> dict[str, Any]:
    return {
        "authenticated_data": encoded(style.authenticated_data),
        "padding": style.padding,
        "public": style.is_public,
    }


@dataclass
class TheirClients:
    """Every client of ts-mls in a session, by name."""

    peer: Peer
    name: str = "theirs"

    def __post_init__(self) -> None:
        self.outsider_public = self.peer.bytes_of("external_sender", "public_key")

    def new_client(self, name: str, credential: Credential, *, greased: bool) -> None:
        is_basic = credential.type == CredentialType.BASIC
        content = [credential.identity] if is_basic else credential.certificates
        self.peer.later(
            "client",
            name=name,
            credential={
                "type": "basic" if is_basic else "x509",
                "content": [encoded(part) for part in content],
            },
            extension_types=[GROUP_EXTENSION],
            grease=GREASE_VALUES[:2] if greased else [],
            lifetime=[str(bound) for bound in LIFETIME],
        )

    def forget(self, names: Sequence[str]) -> None:
        self.peer.later("forget", names=names)

    def key_package(self, name: str) -> KeyPackage:
        decoded = decode_message(self.peer.bytes_of("key_package", name=name))
        assert isinstance(decoded, KeyPackage)
        return decoded

    def create(self, name: str, group_id: bytes, extensions: Sequence[Extension]) -> Seen:
        listed = encoded(encode_extensions(extensions))
        return _seen(
            self.peer.ask("create", name=name, group_id=encoded(group_id), extensions=listed)
        )

    def join(self, names: Sequence[str], welcome: bytes, tree: bytes | None, psks: Psks) -> Views:
        answers = self.peer.later(
            "join",
            names=names,
            welcome=encoded(welcome),
            tree=None if tree is None else encoded(tree),
            psks=_psks(psks),
        )
        return lambda: {name: _seen(answer) for name, answer in answers().items()}

    def propose(self, name: str, proposal: Proposal, style: Style) -> bytes:
        what = encoded(encode_proposal(proposal))
        return self.peer.bytes_of(
            "propose", name=name, proposal=what, update=False, **_style(style)
        )

    def propose_update(self, name: str, style: Style) -> bytes:
        return self.peer.bytes_of("propose", name=name, update=True, **_style(style))

    def propose_from_outside(
        self, group: tuple[bytes, int], proposal: Proposal, sender_index: int, data: bytes
    ) -> bytes:
        return self.peer.bytes_of(
            "propose_from_outside",
            group_id=encoded(group[0]),
            epoch=group[1],
            proposal=encoded(encode_proposal(proposal)),
            sender_index=sender_index,
            authenticated_data=encoded(data),
        )

    def propose_itself(self, name: str, told: Told, data: bytes) -> bytes:
        return self.peer.bytes_of(
            "propose_itself",
            name=name,
            group_info=encoded(told.group_info),
            authenticated_data=encoded(data),
        )

    def receive_proposal(self, names: Sequence[str], message: bytes, data: bytes) -> None:
        self.peer.later(
            "receive_proposal",
            names=names,
            message=encoded(message),
            authenticated_data=encoded(data),
        )

    def commit(
        self,
        name: str,
        proposals: Sequence[Proposal],
        psks: Psks,
        style: Style,
        *,
        path: bool,
        new_key: bool,
        tree_in_welcome: bool,
    ) -> Sent:
        """ts-mls leaves the path out whenever it may, and keeps its signature key."""
        answer = self.peer.ask(
            "commit",
            name=name,
            proposals=[encoded(encode_proposal(proposal)) for proposal in proposals],
            psks=_psks(psks),
            tree_in_welcome=tree_in_welcome,
            **_style(style),
        )
        welcome, tree = answer["welcome"], answer["tree"]
        return Sent(
            b64decode(answer["message"]),
            None if welcome is None else b64decode(welcome),
            None if tree_in_welcome else b64decode(tree),
        )

    def tell(self, name: str, *, with_tree: bool) -> Told:
        answer = self.peer.ask("group_info", name=name, with_tree=with_tree)
        tree = None if with_tree else b64decode(answer["tree"])
        return Told(b64decode(answer["message"]), tree)

    def join_from_outside(
        self,
        name: str,
        told: Told,
        style: Style,
        *,
        old_leaf: int | None,
        psks: Psks,
    ) -> Sent:
        """ts-mls finds its old leaf by its signature key, and cannot bring PSKs."""
        assert not psks
        message = self.peer.bytes_of(
            "join_from_outside",
            name=name,
            group_info=encoded(told.group_info),
            tree=None if told.tree is None else encoded(told.tree),
            resync=old_leaf is not None,
            authenticated_data=encoded(style.authenticated_data),
        )
        return Sent(message)

    def receive_commit(
        self, names: Sequence[str], message: bytes, psks: Psks, data: bytes
    ) -> Views:
        answers = self.peer.later(
            "receive_commit", names=names, message=encoded(message), psks=_psks(psks)
        )

        def views() -> dict[str, Seen]:
            found = {answer["authenticated_data"] for answer in answers().values()}
            assert found <= {encoded(data), None}  # None: the committer's
            return {name: _seen(answer) for name, answer in answers().items()}

        return views

    def protect(self, name: str, data: bytes, style: Style) -> bytes:
        return self.peer.bytes_of("protect", name=name, data=encoded(data), **_style(style))

    def unprotect(self, names: Sequence[str], message: bytes) -> Reads:
        answers = self.peer.later("unprotect", names=names, message=encoded(message))
        return lambda: [
            (b64decode(answer["data"]), b64decode(answer["authenticated_data"]))
            for answer in answers().values()
        ]
