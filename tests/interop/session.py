"""A random session: events in random order, each of them by each library before any comes again.

Never goes on after a disagreement.
"""

from collections import Counter
from dataclasses import dataclass, field

from tests.interop.events import EVENTS, GROWING, SHRINKING, Event
from tests.interop.world import Clients, World


@dataclass
class Session(World):
    """A world, and what has happened in it, by event and library."""

    happened: Counter[tuple[str, str]] = field(default_factory=Counter)

    def run(self, epochs: int) -> None:
        """At least so many epochs."""
        libraries = (self.ours, self.theirs)
        deck: list[tuple[Event, Clients]] = []
        while self.epoch < epochs:
            possible = [turn for turn in deck if self.fits(turn[0])]
            if possible:
                deck.remove(possible[0])
                self.happen(*possible[0])
            elif deck:  # what is left needs a smaller group, or a larger one
                others = GROWING if self.size == 2 else SHRINKING
                self.happen(self.rng.choice(others), self.rng.choice(libraries))
            else:
                deck = [(event, by) for event in EVENTS for by in libraries]
                self.rng.shuffle(deck)
                self.aim = self.limit if self.epoch == 1 else self.rng.randint(2, self.limit)

    def fits(self, event: Event) -> bool:
        """Whether the group is neither too large nor too small for it."""
        is_too_large = event in GROWING and self.size >= self.limit
        return not is_too_large and not (event in SHRINKING and self.size == 2)

    def happen(self, event: Event, by: Clients) -> None:
        before = self.epoch
        try:
            event(self, by)
            self.talk()
            self.check()
        except Exception as error:
            error.add_note(f"seed {self.seed}, epoch {before}: {event.__name__} by {by.name}")
            raise
        self.happened[event.__name__, by.name] += 1
