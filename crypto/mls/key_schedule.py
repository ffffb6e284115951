"""From one epoch's init secret to the next epoch's secrets, and what is exported from them.

Never keeps an intermediate secret (joiner, epoch): who needs one holds it for that step only.
RFC 9420, section 8.
"""

import os
from dataclasses import dataclass, field

from crypto.errors import UsageError
from crypto.mls.codec import Reader, vector
from crypto.mls.hpke import Random
from crypto.mls.suite import Suite

_LONGEST_EXPORT = 0xFFFF  # KDFLabel.length is a uint16


@dataclass(frozen=True, slots=True)
class EpochSecrets:
    """What one epoch derives from its epoch_secret, each of KDF.Nh bytes.

    `encryption` is not among them: it goes into the secret tree at once, and is consumed there.
    """

    sender_data: bytes = field(repr=False)
    exporter: bytes = field(repr=False)
    external: bytes = field(repr=False)
    confirmation_key: bytes = field(repr=False)
    membership_key: bytes = field(repr=False)
    resumption_psk: bytes = field(repr=False)
    epoch_authenticator: bytes
    init: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Every secret as a vector, in the order of the fields: for storage."""
        return b"".join(vector(getattr(self, name)) for name in self.__slots__)


def read_epoch_secrets(reader: Reader) -> EpochSecrets:
    """What `EpochSecrets.encode` wrote."""
    return EpochSecrets(*(reader.vector() for _ in EpochSecrets.__slots__))


def joiner_secret(
    suite: Suite, init_secret: bytes, *, commit_secret: bytes, context: bytes
) -> bytes:
    """The joiner_secret of the epoch whose encoded GroupContext is `context`."""
    secret = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(secret, "joiner", context, suite.hash_length)


def _intermediate(suite: Suite, joiner: bytes, psk_secret: bytes) -> bytes:
    return suite.extract(joiner, psk_secret)


def welcome_key_and_nonce(suite: Suite, joiner: bytes, psk_secret: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the encrypted GroupInfo in a Welcome. Section 12.4.3.1."""
    secret = welcome_secret(suite, joiner, psk_secret)
    key = suite.expand_with_label(secret, "key", b"", suite.key_length)
    return key, suite.expand_with_label(secret, "nonce", b"", suite.nonce_length)


def welcome_secret(suite: Suite, joiner: bytes, psk_secret: bytes) -> bytes:
    """The welcome_secret of an epoch, from its joiner_secret and psk_secret."""
    return suite.derive_secret(_intermediate(suite, joiner, psk_secret), "welcome")


def epoch_secrets(
    suite: Suite, joiner: bytes, *, psk_secret: bytes, context: bytes
) -> tuple[EpochSecrets, bytes]:
    """The secrets of the epoch whose encoded GroupContext is `context`, and encryption_secret."""
    intermediate = _intermediate(suite, joiner, psk_secret)
    epoch = suite.expand_with_label(intermediate, "epoch", context, suite.hash_length)
    return secrets_of_epoch(suite, epoch)


def secrets_of_epoch(suite: Suite, epoch_secret: bytes) -> tuple[EpochSecrets, bytes]:
    """The secrets under an epoch_secret, and encryption_secret; a new group starts here (11)."""
    derive = suite.derive_secret
    secrets = EpochSecrets(
        sender_data=derive(epoch_secret, "sender data"),
        exporter=derive(epoch_secret, "exporter"),
        external=derive(epoch_secret, "external"),
        confirmation_key=derive(epoch_secret, "confirm"),
        membership_key=derive(epoch_secret, "membership"),
        resumption_psk=derive(epoch_secret, "resumption"),
        epoch_authenticator=derive(epoch_secret, "authentication"),
        init=derive(epoch_secret, "init"),
    )
    return secrets, derive(epoch_secret, "encryption")


def export(suite: Suite, exporter: bytes, *, label: str, context: bytes, length: int) -> bytes:
    """MLS-Exporter (section 8.5): `length` bytes; UsageError above what the KDF gives."""
    if not 0 <= length <= min(_LONGEST_EXPORT, 255 * suite.hash_length):
        raise UsageError("an exported secret has at most 255 hashes")
    secret = suite.derive_secret(exporter, label)
    return suite.expand_with_label(secret, "exported", suite.hash(context), length)


def external_key_pair(suite: Suite, external: bytes) -> tuple[bytes, bytes]:
    """external_priv and external_pub of an epoch, from its external_secret."""
    return suite.derive_key_pair(external)


_EXTERNAL_INIT = b"MLS 1.0 external init secret"


def send_external_init(
    suite: Suite, external_pub: bytes, *, random: Random = os.urandom
) -> tuple[bytes, bytes]:
    """kem_output and init_secret of an external commit (section 8.3).

    Raises PeerError("bad_public_key") when external_pub is none.
    """
    kem_output, context = suite.hpke.setup_sender(external_pub, b"", random=random)
    return kem_output, context.export(_EXTERNAL_INIT, suite.hash_length)


def receive_external_init(suite: Suite, kem_output: bytes, *, external: bytes) -> bytes:
    """The init_secret that an ExternalInit carries to the holders of external_secret (8.3).

    Raises PeerError("bad_public_key") when kem_output has low order or a wrong size.
    """
    # VAL-5.1.1-2: here for the KEM output, above for external_pub (5.1.1; RFC 9180, 7.1.4)
    private_key, _ = external_key_pair(suite, external)
    context = suite.hpke.setup_receiver(kem_output, private_key, b"")
    return context.export(_EXTERNAL_INIT, suite.hash_length)
