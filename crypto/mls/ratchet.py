"""One sender's hash ratchet: a key and a nonce for each message, each to be had once.

Never gives a key twice, never goes back, and never keeps what a given key could be derived from.
RFC 9420, section 9.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from crypto.errors import PeerError, UsageError
from crypto.mls.suite import Suite

# How far one message may wind a ratchet on. A sender's generation is not signed, so this bounds
# what an insider's message costs; 15.3 asks for it (VAL-15.3-1).
MOST_FORWARD = 1000
# How many keys of messages that have not come a ratchet keeps; the oldest go first.
MOST_SKIPPED = 1000
LAST_GENERATION = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class MessageKey:
    """What encrypts one message: AEAD.Nk and AEAD.Nn bytes."""

    generation: int
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ratchet:
    """The secret of the next generation, and the keys of generations that were passed over."""

    generation: int
    secret: bytes = field(repr=False)
    skipped: Mapping[int, MessageKey] = field(default_factory=dict, repr=False)

    def next_key(self, suite: Suite) -> tuple["Ratchet", MessageKey]:
        """The key for the next message to send; UsageError when the generations have run out."""
        if self.generation >= LAST_GENERATION:
            raise UsageError("the ratchet has run out of generations")
        key = _key(suite, self.secret, self.generation)
        secret = _next_secret(suite, self.secret, self.generation)
        return Ratchet(self.generation + 1, secret, self.skipped), key

    def key_for(self, suite: Suite, generation: int) -> tuple["Ratchet", MessageKey]:
        """The key of a received generation.

        Raises PeerError("key_consumed") when it was given before or fell out of the window, and
        PeerError("generation_too_far") above the window.
        """
        if generation < self.generation:
            return self._key_of_skipped(generation)
        # The last generation is refused as well: there would be no ratchet after it.
        if generation - self.generation > MOST_FORWARD or generation >= LAST_GENERATION:
            raise PeerError("generation_too_far")
        return self._wound_to(suite, generation)

    def _key_of_skipped(self, generation: int) -> tuple["Ratchet", MessageKey]:
        key = self.skipped.get(generation)
        # VAL-9.1-1: "Each key/nonce pair MUST NOT be used to encrypt more than one message" (9.1)
        if key is None:
            raise PeerError("key_consumed")
        left = {g: k for g, k in self.skipped.items() if g != generation}
        return Ratchet(self.generation, self.secret, left), key

    def _wound_to(self, suite: Suite, generation: int) -> tuple["Ratchet", MessageKey]:
        secret, skipped = self.secret, self.skipped
        if generation > self.generation:
            skipped = dict(skipped)
            for passed in range(self.generation, generation):
                skipped[passed] = _key(suite, secret, passed)
                secret = _next_secret(suite, secret, passed)
            excess = len(skipped) - MOST_SKIPPED
            for oldest in tuple(islice(skipped, max(excess, 0))):
                del skipped[oldest]
        key = _key(suite, secret, generation)
        return Ratchet(generation + 1, _next_secret(suite, secret, generation), skipped), key


def _key(suite: Suite, secret: bytes, generation: int) -> MessageKey:
    derive = suite.derive_tree_secret
    return MessageKey(
        generation,
        derive(secret, "key", generation, suite.key_length),
        derive(secret, "nonce", generation, suite.nonce_length),
    )


def _next_secret(suite: Suite, secret: bytes, generation: int) -> bytes:
    return suite.derive_tree_secret(secret, "secret", generation, suite.hash_length)
