"""A group with members of both libraries, and the steps that every event is made of.

Never trusts: `check` compares how each member sees its epoch, `talk` sends messages both ways.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from crypto.mls.credential import Credential
from crypto.mls.extensions import (
    Extension,
    ExternalSender,
    RequiredCapabilities,
    external_senders_extension,
)
from crypto.mls.proposals import (
    Add,
    Proposal,
    Remove,
    external_psk,
)
from crypto.mls.suite import suite_by_number
from tests.interop.exchange import GROUP_EXTENSION, Psks, Reads, Seen, Sent, Style, Told, Views
from tests.interop.ours import OurClients
from tests.interop.peer import Peer
from tests.interop.theirs import TheirClients

Clients = OurClients | TheirClients

# How many members a session may have at most, by its seed: small groups are quick, and most of what
# can go wrong goes wrong in them.
LIMITS = (3, 5, 3, 8, 3, 5, 12, 50, 3, 5, 3, 8, 3, 5, 20, 3, 5, 3, 8, 4) + (3, 5, 3, 6) * 5
OWN_CRYPTO_EVERY = 20  # sessions: in the others fast_crypto.mjs replaces ts-mls's
READERS = 2  # of the other library, for an ordinary message
ALL_READ_EVERY = 10  # epochs


@dataclass
class World:
    """A group of both libraries' members; everything chosen is chosen by `seed`."""

    peer: Peer
    seed: int
    suite_number: int = 1
    library_of: dict[str, Clients] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    views: dict[str, Seen] = field(default_factory=dict)  # of the epoch that was checked last
    awaited: list[Views] = field(default_factory=list)
    epoch: int = 0
    largest: int = 0
    psks: dict[bytes, bytes] = field(default_factory=dict)  # of the present event
    born: int = 0
    aim: int = 2  # the size that the group grows or shrinks to

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.suite = suite_by_number(self.suite_number)
        self.peer.ask("start", suite=self.suite_number, fast=self.seed % OWN_CRYPTO_EVERY != 4)
        self.ours = OurClients(self.suite, self.rng.randbytes)
        self.theirs = TheirClients(self.peer)
        self.group_id = self.rng.randbytes(16)
        self.limit = LIMITS[self.seed % len(LIMITS)]
        self.found()

    # Who there is.

    @property
    def size(self) -> int:
        return len(self.present)

    def members(self, library: Clients | None = None) -> list[str]:
        return sorted(n for n in self.present if library in (None, self.library_of[n]))

    def someone(self, library: Clients | None = None, *, but: Iterable[str] = ()) -> str:
        return self.rng.choice([name for name in self.members(library) if name not in but])

    def some(self, most: int, *, but: Iterable[str]) -> list[str]:
        """Up to `most` members (at least one, if there is one) that are not among `but`."""
        return self.shuffled(but=but)[: self.rng.randint(1, most)]

    def shuffled(self, *, but: Iterable[str]) -> list[str]:
        others = [name for name in self.members() if name not in but]
        return self.rng.sample(others, len(others))

    def dispensable(self, most: int, *, but: Iterable[str]) -> list[str]:
        """Up to `most` members that may go: two stay, and one of each library."""
        chosen: list[str] = []
        wanted = self.rng.randint(1, most)
        for name in self.shuffled(but=but):
            left = self.present - {*chosen, name}
            if len({self.library_of[other].name for other in left}) == 2 and len(chosen) < wanted:
                chosen.append(name)
        return chosen

    def other(self, library: Clients) -> Clients:
        return self.theirs if library is self.ours else self.ours

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def newborn(self, library: Clients) -> str:
        self.born += 1
        name = f"{library.name}{self.born}"
        blobs = [self.rng.randbytes(self.rng.randint(1, 90)) for _ in range(2)]
        credential = (
            Credential.x509(tuple(blobs)) if self.chance(0.4) else Credential.basic(name.encode())
        )
        library.new_client(name, credential, greased=self.chance(0.5))
        self.library_of[name] = library
        return name

    def newcomers(self) -> list[str]:
        missing = max(1, self.aim - self.size)
        wanted = min(missing, self.rng.choice((1, 2, 3, missing)))
        return [self.newborn(self.rng.choice((self.ours, self.theirs))) for _ in range(wanted)]

    def style(self) -> Style:
        data = self.rng.randbytes(self.rng.randint(1, 40)) if self.chance(0.3) else b""
        padding = self.rng.randint(1, 100) if self.chance(0.3) else 0
        return Style(data, padding, is_public=self.chance(0.3))

    def by_library(self, names: Iterable[str]) -> list[tuple[Clients, list[str]]]:
        ordered = sorted(names)
        return [
            (library, [name for name in ordered if self.library_of[name] is library])
            for library in (self.ours, self.theirs)
        ]

    # What every event is made of.

    def found(self) -> None:
        """Epoch 0, by a member of either library, and epoch 1, with one of the other."""
        founder = self.rng.choice((self.ours, self.theirs))
        name = self.newborn(founder)
        founder.create(name, self.group_id, self.extensions())
        self.present.add(name)
        self.invite(name, [self.newborn(self.other(founder))], [])
        self.check()

    def extensions(self) -> tuple[Extension, ...]:
        """The GroupContext's: two external senders, one of each library, and others."""
        outsiders = [self.ours.outsider.public, self.theirs.outsider_public]
        senders = [ExternalSender(key, Credential.basic(b"relay")) for key in outsiders]
        extensions = [external_senders_extension(senders)]
        if self.chance(0.7):
            extensions.append(Extension(GROUP_EXTENSION, self.rng.randbytes(5)))
        if self.chance(0.5):
            extensions.append(RequiredCapabilities((GROUP_EXTENSION,), (), (1, 2)).extension())
        self.rng.shuffle(extensions)
        return tuple(extensions)

    def adds(self, names: Sequence[str]) -> list[Proposal]:
        return [Add(self.library_of[name].key_package(name)) for name in names]

    def removes(self, names: Sequence[str]) -> list[Proposal]:
        return [Remove(self.views[name].leaf) for name in names]

    def new_psks(self, most: int) -> list[bytes]:
        ids = [self.rng.randbytes(8) for _ in range(self.rng.randint(1, most))]
        self.psks |= {psk_id: self.rng.randbytes(32) for psk_id in ids}
        return ids

    def psk_proposals(self, ids: Sequence[bytes]) -> list[Proposal]:
        return [external_psk(self.suite, psk_id, random=self.rng.randbytes) for psk_id in ids]

    def invite(
        self,
        committer: str,
        new: Sequence[str],
        proposals: Sequence[Proposal],
        gone: Sequence[str] = (),
        *,
        proposed: bool = False,
    ) -> None:
        """A Commit that adds `new`, who join by its Welcome; `proposed`: they are pending."""
        listed = [*proposals, *([] if proposed else self.adds(new))]
        sent = self.commit(committer, listed, gone, tree_in_welcome=self.chance(0.5))
        assert sent.welcome is not None
        for library, names in self.by_library(new):
            if names:
                self.awaited.append(library.join(names, sent.welcome, sent.tree, self.psks))
        self.present.update(new)

    def commit(
        self,
        committer: str,
        proposals: Sequence[Proposal],
        gone: Sequence[str] = (),
        *,
        path: bool | None = None,
        tree_in_welcome: bool = False,
    ) -> Sent:
        """A member's Commit of what is pending and of these, merged by everybody who stays."""
        style = self.style()
        sent = self.library_of[committer].commit(
            committer,
            proposals,
            self.psks,
            style,
            path=self.chance(0.5) if path is None else path,
            new_key=self.chance(0.2),
            tree_in_welcome=tree_in_welcome,
        )
        self.spread(sent, style, gone)
        return sent

    def spread(self, sent: Sent, style: Style, gone: Sequence[str] = ()) -> None:
        """The Commit to everybody; the new epoch is compared in `check`."""
        for library, names in self.by_library(self.present):
            if library is self.theirs:  # whoever is removed cannot decrypt the path
                names = [name for name in names if name not in gone]
            data = style.authenticated_data
            self.awaited.append(library.receive_commit(names, sent.message, self.psks, data))
        for library, names in self.by_library(gone):
            library.forget(names)
        self.present -= set(gone)
        self.epoch += 1

    def told(self, *, but: Iterable[str] = ()) -> Told:
        """The GroupInfo of some member, its tree inside or beside."""
        helper = self.someone(but=but)
        return self.library_of[helper].tell(helper, with_tree=self.chance(0.5))

    def come_from_outside(self, name: str, psks: Psks, *, old_leaf: int | None) -> None:
        told, style = self.told(but=[name]), self.style()
        sent = self.library_of[name].join_from_outside(
            name, told, style, old_leaf=old_leaf, psks=psks
        )
        self.present.add(name)
        self.spread(sent, style)

    def propose(self, name: str, proposal: Proposal | None) -> None:
        """A member's proposal, pending for everybody; None is an Update of its own leaf."""
        library, style = self.library_of[name], self.style()
        if proposal is None:
            message = library.propose_update(name, style)
        else:
            message = library.propose(name, proposal, style)
        self.spread_proposal(message, style.authenticated_data, but=name)

    def propose_from_outside(self, proposal: Proposal) -> None:
        """By the external sender of either library."""
        index, data = self.rng.randrange(2), self.style().authenticated_data
        outside = (self.ours, self.theirs)[index]
        named = (self.group_id, self.epoch)
        self.spread_proposal(outside.propose_from_outside(named, proposal, index, data), data)

    def spread_proposal(self, message: bytes, data: bytes, *, but: str | None = None) -> None:
        for library, names in self.by_library(self.present - {but}):
            library.receive_proposal(names, message, data)

    def check(self) -> None:
        """Everybody sees the same, each from a place of its own."""
        self.views = {}
        for views in self.awaited:
            self.views |= views()
        self.awaited, self.psks = [], {}
        self.largest = max(self.largest, self.size)
        assert self.views.keys() == self.present, "the wrong members were added or removed"
        assert {view.epoch for view in self.views.values()} == {self.epoch}, self.described()
        assert len({view.shared for view in self.views.values()}) == 1, self.described()
        assert len({view.leaf for view in self.views.values()}) == self.size, self.described()

    def described(self) -> str:
        lines = (f"{name}: {view}" for name, view in sorted(self.views.items()))
        return "\n".join(("the members disagree:", *lines))

    def talk(self) -> None:
        """A member of each library says something; members of the other read it."""
        reads: list[tuple[Reads, set[tuple[bytes, bytes]]]] = []
        for library in (self.ours, self.theirs):
            sender = self.someone(library)
            said = [(self.rng.randbytes(self.rng.randint(0, 60)), self.style())]
            said += [(b"again", self.style())] * (self.chance(0.2) * 2)
            sent = [(library.protect(sender, *one), *one) for one in said]
            self.rng.shuffle(sent)
            for readers, chosen in self.readers(sender):
                reads += [
                    (readers.unprotect(chosen, message), {(data, style.authenticated_data)})
                    for message, data, style in sent
                ]
        for read, said_to_them in reads:
            assert set(read()) == said_to_them

    def readers(self, sender: str) -> list[tuple[Clients, list[str]]]:
        """Some of the other library, at times everybody."""
        others = self.by_library(self.present - {sender})
        if self.epoch % ALL_READ_EVERY == 0:
            return [(library, names) for library, names in others if names]
        library = self.other(self.library_of[sender])
        names = self.members(library)
        return [(library, self.rng.sample(names, min(READERS, len(names))))]
