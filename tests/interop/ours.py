"""Clients of crypto.mls, as a session drives them.

Never chooses anything; theirs.py has the same methods for ts-mls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_proposal, new_member_proposal
from crypto.mls.group import (
    Group,
    LeafConfig,
    OwnCommit,
    OwnKeyPackage,
    WireFormat,
    create,
    decode_group_info,
    external_draft,
    make_key_package,
    open_welcome,
)
from crypto.mls.key_package import KeyPackage
from crypto.mls.proposals import Proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Signer, Suite
from tests.interop.exchange import (
    EXPORTER_CONTEXT,
    EXPORTER_LABEL,
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


@dataclass
class Client:
    config: LeafConfig
    waiting: OwnKeyPackage | None = None
    next_config: LeafConfig | None = None  # of an Update or a path that is not merged yet
    own_commit: OwnCommit | None = None
    group: Group | None = None

    @property
    def state(self) -> Group:
        assert self.group is not None
        return self.group


@dataclass
class OurClients:
    """Every client of crypto.mls in a session, by name."""

    suite: Suite
    random: Callable[[int], bytes]
    name: str = "ours"
    clients: dict[str, Client] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outsider = self._new_signer()

    def _new_signer(self) -> Signer:
        return self.suite.generate_signer(random=self.random)

    def new_client(self, name: str, credential: Credential, *, greased: bool) -> None:
        """A client that is in no group yet."""
        types = (GROUP_EXTENSION,)
        config = LeafConfig(self._new_signer(), credential, types, lifetime=LIFETIME)
        self.clients[name] = Client(config.greased(random=self.random) if greased else config)

    def forget(self, names: Sequence[str]) -> None:
        for name in names:
            del self.clients[name]

    def key_package(self, name: str) -> KeyPackage:
        client = self.clients[name]
        client.waiting = make_key_package(self.suite, client.config, random=self.random)
        return KeyPackage.decode(client.waiting.encoded)

    def create(self, name: str, group_id: bytes, extensions: Sequence[Extension]) -> Seen:
        client = self.clients[name]
        client.group, _ = create(
            suite=self.suite,
            group_id=group_id,
            config=client.config,
            extensions=extensions,
            random=self.random,
        )
        return _seen(client.group)

    def join(self, names: Sequence[str], welcome: bytes, tree: bytes | None, psks: Psks) -> Views:
        seen = {name: self._joined(name, welcome, tree, psks) for name in names}
        return lambda: seen

    def _joined(self, name: str, welcome: bytes, tree: bytes | None, psks: Psks) -> Seen:
        client = self.clients[name]
        assert client.waiting is not None
        opened = open_welcome(welcome, {client.waiting.reference: client.waiting}, psks=psks)
        client.group = opened.join(self._tree(tree))
        return _seen(client.group)

    def _tree(self, encoded: bytes | None) -> RatchetTree | None:
        return None if encoded is None else RatchetTree.decode(self.suite, encoded)

    def propose(self, name: str, proposal: Proposal, style: Style) -> bytes:
        client = self.clients[name]
        client.group, message = client.state.propose(
            proposal,
            signer=client.config.signer,
            wire_format=_wire_format(style),
            authenticated_data=style.authenticated_data,
            random=self.random,
        )
        return message

    def propose_update(self, name: str, style: Style) -> bytes:
        """With a new signature key, as crypto.mls allows."""
        client = self.clients[name]
        client.next_config = self._with_new_key(client)
        client.group, message = client.state.propose_update(
            client.next_config,
            signer=client.config.signer,
            wire_format=_wire_format(style),
            authenticated_data=style.authenticated_data,
            random=self.random,
        )
        return message

    def _with_new_key(self, client: Client) -> LeafConfig:
        return replace(client.config, signer=self._new_signer())

    def propose_from_outside(
        self, group: tuple[bytes, int], proposal: Proposal, sender_index: int, data: bytes
    ) -> bytes:
        """By `outsider`; `group` is group id and epoch, `data` goes authenticated."""
        return external_proposal(
            proposal,
            suite=self.suite,
            group_id=group[0],
            epoch=group[1],
            authenticated_data=data,
            signer=self.outsider,
            sender_index=sender_index,
        )

    def propose_itself(self, name: str, told: Told, data: bytes) -> bytes:
        context = decode_group_info(told.group_info).group_context
        return new_member_proposal(
            self.key_package(name),
            suite=self.suite,
            group_id=context.group_id,
            epoch=context.epoch,
            authenticated_data=data,
            signer=self.clients[name].config.signer,
        )

    def receive_proposal(self, names: Sequence[str], message: bytes, data: bytes) -> None:
        """`data` is what each must find authenticated."""
        for name in names:
            client = self.clients[name]
            client.group = client.state.receive_proposal(message)
            assert client.group.pending_proposals[-1].authenticated_data == data

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
        """`new_key`: the path brings another signature key."""
        client = self.clients[name]
        client.next_config = self._with_new_key(client) if new_key else None
        draft = client.state.draft(
            proposals, psks=psks, path=path, config=client.next_config, random=self.random
        )
        own = draft.finish(
            signer=client.config.signer,
            wire_format=_wire_format(style),
            authenticated_data=style.authenticated_data,
            tree_in_welcome=tree_in_welcome,
            random=self.random,
        )
        client.own_commit = own
        tree = None if tree_in_welcome else own.group.tree.encode()
        return Sent(own.message, own.welcome, tree)

    def tell(self, name: str, *, with_tree: bool) -> Told:
        client = self.clients[name]
        group_info = client.state.signed_group_info(client.config.signer, with_tree=with_tree)
        return Told(group_info, None if with_tree else client.state.tree.encode())

    def join_from_outside(
        self,
        name: str,
        told: Told,
        style: Style,
        *,
        old_leaf: int | None,
        psks: Psks,
    ) -> Sent:
        """An external Commit with all of these PSKs."""
        client = self.clients[name]
        draft = external_draft(
            told.group_info,
            self._tree(told.tree),
            config=client.config,
            remove_leaf=old_leaf,
            psk_ids=list(psks),
            psks=psks,
            random=self.random,
        )
        client.own_commit = draft.finish(
            signer=client.config.signer,
            authenticated_data=style.authenticated_data,
            random=self.random,
        )
        return Sent(client.own_commit.message)

    def receive_commit(
        self, names: Sequence[str], message: bytes, psks: Psks, data: bytes
    ) -> Views:
        """The new epoch, the committer's own as well; without those that the Commit removes."""
        seen = {}
        for name in names:
            client = self.clients[name]
            own, client.own_commit = client.own_commit, None
            if own is not None:
                client.group = own.group
            else:
                staged = client.state.stage(message, psks=psks)
                assert staged.authenticated_data == data
                if staged.group is None:
                    continue
                client.group = staged.group
            self._take_new_key(client)
            seen[name] = _seen(client.state)
        return lambda: seen

    def _take_new_key(self, client: Client) -> None:
        """The key of an own Update or path, once it stands in the tree."""
        own = client.state.member(client.state.own_leaf)
        assert own is not None
        waiting, client.next_config = client.next_config, None
        if waiting is not None and own.signature_key == waiting.signer.public:
            client.config = waiting

    def protect(self, name: str, data: bytes, style: Style) -> bytes:
        client = self.clients[name]
        client.group, message = client.state.protect(
            data,
            signer=client.config.signer,
            authenticated_data=style.authenticated_data,
            padding=style.padding,
            random=self.random,
        )
        return message

    def unprotect(self, names: Sequence[str], message: bytes) -> Reads:
        """What each read: the data, and what it found authenticated."""
        read = []
        for name in names:
            client = self.clients[name]
            client.group, said = client.state.unprotect(message)
            read.append((said.data, said.authenticated_data))
        return lambda: read


def _wire_format(style: Style) -> WireFormat:
    return WireFormat.PUBLIC_MESSAGE if style.is_public else WireFormat.PRIVATE_MESSAGE


def _seen(group: Group) -> Seen:
    return Seen(
        group.own_leaf,
        group.epoch,
        group.epoch_authenticator,
        group.tree_hash,
        group.export_secret(EXPORTER_LABEL, EXPORTER_CONTEXT, 32),
    )
