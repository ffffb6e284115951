"""Accounts, devices and groups to drive the relay's operations with: real keys, real MLS.

Everything that a client does, without its store and its network: what it gets wrong on purpose, a
test changes before it is sent.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from crypto.ed25519 import SigningKey
from crypto.identity import RootKey, certify_device, certify_root, device_id
from crypto.labels import Purpose, sign
from crypto.mls.credential import Credential
from crypto.mls.group import (
    Group,
    KeyPackage,
    LeafConfig,
    OwnCommit,
    OwnKeyPackage,
    RatchetTree,
    create,
    decode_group_info,
    external_draft,
    make_key_package,
    missing_objects,
    open_welcome,
    tree_objects,
)
from crypto.mls.group_context import GroupContext
from crypto.mls.proposals import Add, Proposal, Remove
from crypto.mls.suite import suite_by_number
from relay import accounts, append, conversations, history, keypackages, logins, passwords
from relay.context import Proof, Who
from relay.outcome import Outcome
from tests.relay.worlds import (
    Relay,
    effect_of,
    fresh_transaction,
    group_extensions,
    replace_struct,
    rid,
    sender_type,
)
from wire import replies, requests
from wire.entry import EntryData, Order, OrderKind, encode_data
from wire.policy import LOBBY_POLICY, POLICY_EXTENSION, JoinRule, Kind, Policy
from wire.suites import DEFAULT_SUITE

PASSWORD = "Correct7horse"


class World(Relay):
    """A relay that people register at."""

    def account(self, name: str, **changes: Any) -> Device:
        """Register an account; return its first device."""
        device = Device.fresh(self, name)
        device.register(**changes)
        return device


@dataclass(slots=True)
class Device:
    """A device with its keys and groups."""

    world: World
    account: str
    display: str
    root: RootKey
    root_certificate: bytes
    signer: SigningKey
    certificate: bytes
    session: Who | None = None
    groups: dict[bytes, Group] = field(default_factory=dict)
    cursors: dict[bytes, int] = field(default_factory=dict)
    heads: dict[bytes, int] = field(default_factory=dict)
    packages: dict[bytes, OwnKeyPackage] = field(default_factory=dict)

    @classmethod
    def fresh(cls, world: World, name: str) -> Device:
        """A device of an account that is not registered yet."""
        root = RootKey.generate("ed25519")
        certificate = certify_root(root, account=name.lower(), display=name)
        return cls.under(world, name, root, certificate)

    @classmethod
    def under(cls, world: World, name: str, root: RootKey, root_certificate: bytes) -> Device:
        """A new device under a root."""
        signer = SigningKey.generate()
        certificate = certify_device(root, root_certificate, device_key=signer.public)
        return cls(world, name.lower(), name, root, root_certificate, signer, certificate)

    def sibling(self) -> Device:
        """A second device of the account, enrolled."""
        other = Device.under(self.world, self.display, self.root, self.root_certificate)
        other.enroll()
        return other

    @property
    def id(self) -> bytes:
        return device_id(self.signer.public)

    @property
    def who(self) -> Who:
        assert self.session is not None
        return self.session

    @property
    def chain(self) -> tuple[bytes, bytes]:
        return (self.certificate, self.root_certificate)

    @property
    def config(self) -> LeafConfig:
        now_s = self.world.clock.ms // 1000
        return LeafConfig(
            self.signer,
            Credential.x509(self.chain),
            extension_types=(POLICY_EXTENSION,),
            lifetime=(now_s - 3600, now_s + 86400),
        )

    def prove(self, proof: Proof) -> bytes:
        """The signature that logs the device in on one connection."""
        parts = dataclasses.astuple(proof)
        name = self.account.encode()
        return sign(self.signer, Purpose.DEVICE_PROOF, *parts, name, self.id)

    def registration(self, proof: Proof, /, **changes: Any) -> requests.Register:
        """The Register frame of this device."""
        values: dict[str, Any] = {
            "rid": rid(),
            "name": self.display,
            "email": None,
            "password": PASSWORD,
            "admin_code": None,
            "chain": self.chain,
            "sealed_root": b"sealed",
            "proof": self.prove(proof),
        }
        return requests.Register(**(values | changes))

    def register(self, **changes: Any) -> replies.LoggedIn:
        """Register the account with this device."""
        world, proof = self.world, self.world.proof()
        wanted = accounts.check_registration(self.registration(proof, **changes), proof)
        stored = passwords.hash_password(world.context, changes.get("password", PASSWORD))
        self.session, reply = world.run(
            lambda c: accounts.register(c, world.context, wanted, stored)
        )
        assert isinstance(reply, replies.LoggedIn)
        return reply

    def enroll(self, **changes: Any) -> Outcome:
        """Add this device to its account."""
        world, proof = self.world, self.world.proof()
        request = requests.Enroll(rid(), self.chain, self.prove(proof), **changes)

        def job(connection: Connection) -> tuple[Who, Outcome]:
            found = logins.find_account(connection, self.display)
            assert found is not None
            return logins.enroll(connection, world.context, found.account_id, request, proof)

        self.session, outcome = world.run(job)
        assert isinstance(outcome, Outcome)
        return outcome

    def do(self, operation: Any, request: Any) -> Outcome:
        """Run an operation as this device."""
        return self.world.do(operation, self.who, request)

    # Groups

    def found(self, policy: Policy, *, suite: int = DEFAULT_SUITE) -> bytes:
        """Found a conversation; return its id."""
        request, group = self.founding(policy, suite=suite)
        self.do(conversations.create, request)
        self._hold(group, 0)
        return request.conversation

    def founding(
        self, policy: Policy, *, suite: int = DEFAULT_SUITE
    ) -> tuple[requests.Create, Group]:
        """A Create frame and the group it founds."""
        conversation = os.urandom(16)
        group, info = create(
            suite=suite_by_number(suite),
            group_id=conversation,
            config=self.config,
            extensions=group_extensions(self.world, policy),
        )
        return requests.Create(rid(), conversation, info, tree_objects(group)), group

    def room(self, name: str = "room", join: JoinRule = JoinRule.OPEN, **more: Any) -> bytes:
        """Found a room of this device's account."""
        owners = (self.root.identity,)
        return self.found(Policy(1, Kind.ROOM, name, join, owners, **more))

    def lobby(self, *, suite: int = DEFAULT_SUITE) -> bytes:
        """Found the lobby."""
        return self.found(LOBBY_POLICY, suite=suite)

    def direct(self, other: Device) -> bytes:
        """Found the direct conversation with another account."""
        roots = tuple(sorted({self.root.identity, other.root.identity}))
        return self.found(Policy(1, Kind.DIRECT, "", JoinRule.INVITE, roots))

    def _hold(self, group: Group, seq: int) -> None:
        self.groups[group.group_id] = group
        self.heads[group.group_id] = self.cursors[group.group_id] = seq

    def message(self, conversation: bytes, text: bytes = b"hi", **changes: Any) -> requests.Append:
        """An Append of an application message."""
        data = EntryData(self.heads[conversation], fresh_transaction())
        data = replace_struct(data, changes)
        group, message = self.groups[conversation].protect(
            text, signer=self.signer, authenticated_data=encode_data(data)
        )
        self.groups[conversation] = group
        return requests.Append(rid(), conversation, message)

    def say(self, conversation: bytes, text: bytes = b"hi") -> Outcome:
        """Send a message; its outcome is Accepted or Conflict."""
        outcome = self.do(append.append, self.message(conversation, text))
        if isinstance(outcome.reply, replies.Accepted):
            self.cursors[conversation] = outcome.reply.answers[0][1]
        return outcome

    def commit(
        self, conversation: bytes, proposals: Sequence[Proposal] = (), **changes: Any
    ) -> tuple[requests.Append, OwnCommit]:
        """An Append of a commit, and the group after it."""
        group = self.groups[conversation]
        draft = group.draft(proposals)
        return self.append_of(conversation, draft, since=group, **changes)

    def append_of(
        self, conversation: bytes, draft: Any, *, since: Group | None, **changes: Any
    ) -> tuple[requests.Append, OwnCommit]:
        """A drafted commit with its declared effects as an Append."""
        effects = tuple(effect_of(self.world, change) for change in draft.changes)
        data = EntryData(self.heads[conversation], fresh_transaction(), effects)
        data = replace_struct(data, changes)
        own = draft.finish(signer=self.signer, authenticated_data=encode_data(data))
        old = since.tree if since is not None else changes.get("tree")
        nodes = tuple(own.group.tree.objects(old))
        parts = requests.CommitParts(own.group_info, nodes, own.welcome)
        return requests.Append(rid(), conversation, own.message, parts), own

    def send_commit(self, conversation: bytes, pair: tuple[requests.Append, OwnCommit]) -> Outcome:
        """Send a commit and take its group over when it is accepted."""
        request, own = pair
        outcome = self.do(append.append, request)
        if isinstance(outcome.reply, replies.Accepted):
            self._hold(own.group, outcome.reply.answers[0][1])
        return outcome

    def publish(self, count: int = 1, *, suite: int = DEFAULT_SUITE) -> None:
        """Publish KeyPackages of a suite."""
        made = [make_key_package(suite_by_number(suite), self.config) for _ in range(count)]
        self.packages.update((each.reference, each) for each in made)
        encoded = tuple(each.encoded for each in made)
        self.do(keypackages.publish, requests.Publish(rid(), suite, encoded))

    def adds_of(self, account: str, *, suite: int = DEFAULT_SUITE) -> list[Proposal]:
        """Add proposals for each claimed device of an account."""
        claimed = self.do(keypackages.claim, requests.Claim(rid(), account, suite)).reply
        assert isinstance(claimed, replies.Claimed)
        return [Add(KeyPackage.decode(package)) for _, package in claimed.packages]

    def add(self, conversation: bytes, *others: Device) -> Outcome:
        """Add devices that publish a package for it, and let them in by their Welcomes."""
        suite = self.groups[conversation].suite.number
        for other in others:
            other.publish(suite=suite)
        accounts = dict.fromkeys(other.account for other in others)
        adds = [add for account in accounts for add in self.adds_of(account, suite=suite)]
        outcome = self.send_commit(conversation, self.commit(conversation, adds))
        for other in others:
            other.accept_welcome()
        return outcome

    def fetch_inbox(self) -> tuple[replies.InboxEntry, ...]:
        """The Welcomes that wait."""
        found = self.do(history.get_inbox, requests.GetInbox(rid(), 0)).reply
        assert isinstance(found, replies.InboxFound)
        return found.entries

    def accept_welcome(self) -> None:
        """Join by the newest Welcome."""
        entry = self.fetch_inbox()[-1]
        opened = open_welcome(entry.welcome, self.packages)
        tree = self.walk(opened.group_info.group_context)
        self._hold(opened.join(tree), entry.commit_seq)

    def walk(self, said: GroupContext) -> RatchetTree:
        """Fetch a group's tree from its root."""
        root_hash = said.tree_hash
        objects: dict[bytes, bytes] = {}
        while missing := missing_objects(root_hash, objects):
            ask = requests.GetNodes(rid(), said.group_id, tuple(sorted(missing))[:256])
            found = self.do(conversations.get_nodes, ask).reply
            assert isinstance(found, replies.NodesFound)
            assert found.nodes
            objects |= {sha256(node).digest(): node for node in found.nodes}
        return RatchetTree.from_objects(suite_by_number(said.suite), root_hash, objects)

    def join_info(self, conversation: bytes) -> replies.JoinInfoFound:
        """What an external commit needs."""
        info = self.do(conversations.join_info, requests.JoinInfo(rid(), conversation)).reply
        assert isinstance(info, replies.JoinInfoFound)
        return info

    def external(
        self,
        conversation: bytes,
        *,
        remove_leaf: int | None = None,
        psks: dict[bytes, bytes] | None = None,
        **changes: Any,
    ) -> tuple[requests.Append, OwnCommit]:
        """A commit from outside."""
        info = self.join_info(conversation)
        self.heads[conversation] = info.stands_on
        tree = self.walk(decode_group_info(info.group_info).group_context)
        draft = external_draft(
            info.group_info,
            tree,
            config=self.config,
            remove_leaf=remove_leaf,
            psk_ids=tuple(psks or ()),
            psks=psks or {},
        )
        return self.append_of(conversation, draft, since=None, tree=tree, **changes)

    def join(self, conversation: bytes, **more: Any) -> Outcome:
        """Join from outside."""
        return self.send_commit(conversation, self.external(conversation, **more))

    def fetch(self, conversation: bytes, after: int = 0, limit: int = 256) -> replies.Fetched:
        """Entries after a number."""
        request = requests.Fetch(rid(), conversation, after, limit)
        found = self.do(history.fetch, request).reply
        assert isinstance(found, replies.Fetched)
        return found

    def catch_up(self, conversation: bytes) -> list[bytes]:
        """Process what is new; return the texts of messages."""
        texts: list[bytes] = []
        for entry in self.fetch(conversation, self.cursors[conversation]).entries:
            texts += self._process(conversation, entry)
            self.cursors[conversation] = entry.seq
        return texts

    def _process(self, conversation: bytes, entry: replies.Entry) -> list[bytes]:
        group = self.groups[conversation]
        kind = entry.message[3], entry.message[4 + 1 + len(conversation) + 8 :][:1]
        if kind == (2, b"\x01"):
            self.groups[conversation], message = group.unprotect(entry.message)
            return [message.data]
        self.heads[conversation] = entry.seq
        if kind[0] == 1 and sender_type(entry.message, conversation) == b"\x02":
            self.groups[conversation] = group.receive_proposal(entry.message)
            return []
        staged = group.stage(entry.message)
        if staged.group is not None:
            self.groups[conversation] = staged.group
        return []

    def order(self, kind: OrderKind, target: Device | None = None, /, **changes: Any) -> Order:
        """A signed order of this device."""
        target = target or self
        order = Order(kind, target.account, target.root.identity, b"", b"", "", self.world.clock.ms)
        order = replace_struct(order, changes)
        signature = sign(self.signer, Purpose.ORDER, order.signed_bytes())
        return replace_struct(order, {"certificates": self.chain, "signature": signature})

    def remove_of(self, conversation: bytes, other: Device) -> Remove:
        """The Remove proposal of another device's leaf."""
        return Remove(self.leaf_of(conversation, other))

    def leaf_of(self, conversation: bytes, other: Device) -> int:
        """Where another device stands."""
        members = self.groups[conversation].members()
        return next(m.leaf_index for m in members if m.signature_key == other.signer.public)
