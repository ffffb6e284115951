"""A conversation around one table: real groups, chains and contents, and a log that is a list.

No relay and no store: what every seat makes of an entry is a value to look at. Whoever sits here
may break any rule, as a member with changed software may.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crypto.ed25519 import SigningKey
from crypto.identity import RootKey, certify_device, certify_root, device_id
from crypto.mls import framing, public_message
from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.group import (
    Group,
    KeyPackage,
    LeafConfig,
    OwnCommit,
    create,
    external_draft,
    make_key_package,
    open_welcome,
)
from crypto.mls.proposals import (
    Add,
    GroupContextExtensions,
    Proposal,
    Remove,
    encode_proposal,
)
from crypto.mls.suite import suite_by_number
from engine.commits import places_of
from engine.content import Content, RoomSecret, Text, encode_content, padding_for
from engine.context import DeviceKeys
from engine.conversation import Conversation, State, Step, standing_of
from engine.group_policy import extensions_of
from engine.judge import Standing
from engine.reading import Own, OwnMessage, process
from engine.roster import Place, effects_of
from engine.steps import Reader
from wire.entry import Effect, EffectKind, EntryData, Order, RemovalData, encode_data
from wire.policy import LOBBY_POLICY as LOBBY
from wire.policy import JoinRule, Kind, Policy, RoomLock
from wire.replies import Entry
from wire.suites import DEFAULT_SUITE

SUITE = suite_by_number(DEFAULT_SUITE)
RELAY = SigningKey.from_seed(bytes([7]) * 32)
GROUP_ID = bytes(range(16))
PSK_ID, SALT, PSK = b"p" * 16, b"s" * 16, b"k" * 32


def seeded(seed: int) -> Callable[[int], bytes]:
    """Randomness that is the same each time."""
    import random

    return random.Random(seed).randbytes


@dataclass(frozen=True)
class Person:
    """An account with its root."""

    account: str
    root: RootKey
    certificate: bytes

    @classmethod
    def named(cls, account: str, *, kind: Literal["ed25519", "rsa"] = "ed25519") -> Person:
        root = RootKey.generate(kind)
        return cls(account, root, certify_root(root, account=account, display=account))

    def device(self, signer: SigningKey | None = None) -> DeviceKeys:
        """A new device of the account."""
        signer = signer or SigningKey.generate()
        chain = certify_device(self.root, self.certificate, device_key=signer.public)
        return DeviceKeys(
            self.account,
            self.account,
            self.root.identity,
            device_id(signer.public),
            signer,
            (chain, self.certificate),
        )


@dataclass
class Seat:
    """One device at the table."""

    table: Table
    keys: DeviceKeys
    value: Conversation
    secrets: dict[bytes, bytes] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    own: dict[bytes, Own] = field(default_factory=dict)

    @property
    def group(self) -> Group:
        return self.value.now_in()[0]

    @property
    def standing(self) -> Standing:
        return self.value.now_in()[1]

    @property
    def place(self) -> Place:
        found = self.standing.roster.of_device(self.keys.device)
        assert found is not None
        return found

    @property
    def texts(self) -> list[str]:
        """What this seat has read, its own texts included."""
        return [line.text for step in self.steps for line in step.lines if line.kind == "message"]

    @property
    def unread(self) -> list[str]:
        """The codes of what it could not read."""
        lines = [line for step in self.steps for line in step.lines]
        return [line.text for line in lines if line.kind == "unreadable"]

    @property
    def verdict(self) -> str | None:
        return self.steps[-1].verdict

    def reader(self) -> Reader:
        keys = self.keys
        return Reader(
            keys.account,
            keys.display,
            keys.device,
            root=keys.root_identity,
            relay_key=RELAY.public,
            secrets=self.secrets,
        )

    def take(self, entry: Entry, *, own: Own | None = None) -> Step:
        """Process an entry."""
        step = process(self.value, entry, reader=self.reader(), own=own)
        self.value = step.conversation
        if step.secret is not None:
            self.secrets[step.secret[0]] = step.secret[1]
        self.steps.append(step)
        return step

    def content(self, text: str, **changed: Any) -> Content:
        """A content as an honest sender makes it, but for what is changed."""
        content = Content(
            1,
            self.table.number(),
            self.value.own_counter + 1,
            sent_at_ms=1,
            position=self.value.cursor,
            hash=self.value.hash,
            body=Text(text),
        )
        return type(content)(**{name: changed.get(name, getattr(content, name)) for name in FIELDS})

    def seal(self, content: Content, *, data: EntryData | None = None) -> bytes:
        """A content as a message of the present epoch."""
        plain = encode_content(content)
        data = data or EntryData(self.value.stands_on, content.id)
        pending = self.group.pending_proposals
        # MLS says nothing while a Remove waits; changed software might.
        group, message = self.group.without_pending().protect(
            plain,
            signer=self.keys.signer,
            authenticated_data=encode_data(data),
            padding=padding_for(len(plain)),
        )
        self.value = replace(self.value, group=replace(group, pending_proposals=pending))
        return message

    def say(self, text: str, *, body: RoomSecret | None = None, **changed: Any) -> Entry:
        """Say something to everybody; `changed`: fields of the content that are not honest."""
        if body is not None:
            changed["body"] = body
        content = self.content(text, **changed)
        message = self.seal(content)
        own = OwnMessage(content.id, message, body=content.body, sent_at_ms=1)
        return self.table.post(message, by=self, own=own)

    def commit(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        policy: Policy | None = None,
        effects: tuple[Effect, ...] | None = None,
        include_pending: bool = True,
        config: LeafConfig | None = None,
        psks: dict[bytes, bytes] | None = None,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    ) -> OwnCommit:
        """Commit whatever is asked and post it; `effects`: what is declared, if not the truth."""
        proposals = list(proposals)
        if policy is not None:
            proposals.append(GroupContextExtensions(raw_extensions(policy)))
        draft = self.group.draft(
            proposals, include_pending=include_pending, config=config, psks=psks or {}
        )
        changes = self._changes(draft.changes) if effects is None else effects
        data = EntryData(self.value.stands_on, self.table.number(), changes)
        made = draft.finish(
            signer=self.keys.signer, authenticated_data=encode_data(data), wire_format=wire_format
        )
        assert made.group_if_refused is not None
        self.value = replace(self.value, group=made.group_if_refused)
        entry = self.table.post(made.message, by=self)
        others = [seat for seat in self.table.seats if seat is not self]
        if others and all(seat.verdict != "accepted" for seat in others):
            self.value = replace(self.value, stands_on=entry.seq)
        else:
            standing = standing_of(made.group, relay_key=RELAY.public)
            self.value = self.value.in_epoch(entry.seq, made.group, standing)
        return made

    def _changes(self, changes: Sequence[Any]) -> tuple[Effect, ...]:
        try:
            added, removed = places_of(self.standing, changes)
        except Exception:
            return ()
        kinds = [(EffectKind.REMOVED, place) for place in removed]
        kinds += [(EffectKind.ADDED, place) for place in added]
        return effects_of(kinds)


FIELDS = ("version", "id", "counter", "sent_at_ms", "position", "hash", "body")


def raw_extensions(policy: Policy) -> tuple[Extension, ...]:
    """The extensions of a group with this policy."""
    return extensions_of(policy, relay_key=RELAY.public)


def package(keys: DeviceKeys, *, credential: Credential | None = None) -> Add:
    """An Add of a device; `credential`: another than its own."""
    config = keys.leaf_config(1_700_000_000)
    if credential is not None:
        config = replace(config, credential=credential)
    return Add(KeyPackage.decode(make_key_package(SUITE, config).encoded))


class Table:
    """The log, and who sits around it."""

    def __init__(self, policy: Policy, founder: DeviceKeys, *, psk: bool = False) -> None:
        self.log: list[Entry] = []
        self.seats: list[Seat] = []
        self._numbers = seeded(1)
        group, _ = create(
            suite=SUITE,
            group_id=GROUP_ID,
            config=founder.leaf_config(1_700_000_000),
            extensions=raw_extensions(policy),
        )
        bare = Conversation(GROUP_ID, policy.kind, policy.name, State.ACTIVE)
        value = bare.in_epoch(0, group, standing_of(group, relay_key=RELAY.public))
        secrets = {PSK_ID: PSK} if psk else {}
        self.seats.append(Seat(self, founder, value, secrets))

    @property
    def founder(self) -> Seat:
        return self.seats[0]

    def number(self) -> bytes:
        return self._numbers(16)

    def post(self, message: bytes, *, by: Seat | None = None, own: Own | None = None) -> Entry:
        """Append an entry; everybody processes it, its sender only when `own` says how."""
        entry = Entry(len(self.log) + 1, 5, message)
        self.log.append(entry)
        for seat in list(self.seats):
            if seat.value.group is None:
                continue
            if seat is not by:
                seat.take(entry)
            elif own is not None:
                seat.take(entry, own=own)
            else:
                seat.value = seat.value.advanced(entry.seq, entry.message)
        return entry

    def welcome(self, keys: DeviceKeys, *, by: Seat | None = None) -> Seat:
        """Let a device in by Add and Welcome; everybody must accept."""
        adder = by or self.founder
        config = keys.leaf_config(1_700_000_000)
        own = make_key_package(SUITE, config)
        made = adder.commit([Add(KeyPackage.decode(own.encoded))])
        assert made.welcome is not None
        group = open_welcome(made.welcome, {own.reference: own}).join(made.group.tree)
        return self._seat(keys, group)

    def come_in(
        self,
        keys: DeviceKeys,
        *,
        psk: bytes | None = None,
        remove_leaf: int | None = None,
        psk_id: bytes = PSK_ID,
        config: LeafConfig | None = None,
        sits: bool = True,
    ) -> Seat:
        """Join from outside; the seat is there whatever the others say of it, unless not `sits`."""
        inside = next(seat for seat in self.seats if seat.value.group is not None)
        info = inside.group.signed_group_info(inside.keys.signer)
        draft = external_draft(
            info,
            inside.group.tree,
            config=config or keys.leaf_config(1_700_000_000),
            remove_leaf=remove_leaf,
            psk_ids=() if psk is None else (psk_id,),
            psks={} if psk is None else {psk_id: psk},
        )
        effects = inside._changes(draft.changes)
        data = EntryData(inside.value.stands_on, self.number(), effects)
        made = draft.finish(signer=keys.signer, authenticated_data=encode_data(data))
        self.post(made.message)
        return self._seat(keys, made.group) if sits else inside

    def _seat(self, keys: DeviceKeys, group: Group) -> Seat:
        bare = Conversation(GROUP_ID, Kind.ROOM, "room", State.ACTIVE)
        standing = standing_of(group, relay_key=RELAY.public)
        value = bare.in_epoch(len(self.log), group, standing)
        self.seats.append(Seat(self, keys, value, dict(self.founder.secrets)))
        return self.seats[-1]

    def remove(
        self, place: Place, *, order: Order | None = None, key_hash: bytes | None = None
    ) -> Entry:
        """Post the relay's Remove of a leaf."""
        data = RemovalData(place.account, place.device, key_hash or place.key_hash, order)
        proposal = encode_proposal(Remove(place.leaf))
        return self.post(self.external(proposal, encode_data(data)))

    def external(
        self, proposal: bytes, data: bytes, *, signer: SigningKey = RELAY, epoch: int | None = None
    ) -> bytes:
        """Any proposal, signed as an external sender."""
        inside = next(seat for seat in self.seats if seat.value.group is not None)
        content = FramedContent(
            GROUP_ID,
            inside.group.epoch if epoch is None else epoch,
            Sender(SenderType.EXTERNAL, 0),
            data,
            ContentType.PROPOSAL,
            proposal,
        )
        form = WireFormat.PUBLIC_MESSAGE
        signature = framing.sign(SUITE, content, wire_format=form, context=None, signer=signer)
        signed = AuthenticatedContent(form, content, FramedContentAuthData(signature))
        return framing.wrap(form, public_message.protect(SUITE, signed).encode())


def room(owner: Person, join: JoinRule = JoinRule.OPEN, *, admins: Sequence[Person] = ()) -> Policy:
    """The policy of a room."""
    lock = RoomLock(PSK_ID, SALT) if join is JoinRule.PASSWORD else None
    roots = tuple(sorted(one.root.identity for one in admins))
    return Policy(1, Kind.ROOM, "room", join, (owner.root.identity,), roots, lock)


ALICE, BOB, CAROL, MALLORY = map(Person.named, ("alice", "bob", "carol", "mallory"))


def seated(policy: Policy, *, psk: bool = False) -> tuple[Table, Seat, Seat, Seat]:
    """Alice (the founder), Bob and Carol around a table."""
    table = Table(policy, ALICE.device(), psk=psk)
    rule = policy.join
    if policy == LOBBY:
        bob, carol = table.come_in(BOB.device()), table.come_in(CAROL.device())
    elif rule is JoinRule.PASSWORD:
        bob = table.come_in(BOB.device(), psk=PSK)
        carol = table.come_in(CAROL.device(), psk=PSK)
    else:
        bob, carol = table.welcome(BOB.device()), table.welcome(CAROL.device())
    assert not table.founder.unread
    return table, table.founder, bob, carol


def refused(code: str, *seats: Seat) -> None:
    """Check that every seat refused the last entry for this reason and stands where it stood."""
    for seat in seats:
        assert (seat.verdict, seat.unread[-1]) == ("refused", code)
        assert seat.value.stands_on == len(seat.table.log)


def go_on(*seats: Seat) -> None:
    """Check that the conversation goes on for everybody."""
    for seat in seats:
        seat.say(f"from {seat.keys.account}")
        assert all(other.texts[-1] == f"from {seat.keys.account}" for other in seats)
