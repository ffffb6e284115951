"""The key schedule: the official vectors are in test_vectors; here, what surrounds them."""

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import key_schedule
from crypto.mls.codec import decode_all
from crypto.mls.suite import SUITE_1

SECRETS, ENCRYPTION = key_schedule.secrets_of_epoch(SUITE_1, b"\x07" * 32)


def test_each_secret_is_its_own() -> None:
    every = [getattr(SECRETS, name) for name in SECRETS.__slots__]
    assert len({*every, ENCRYPTION}) == 9
    assert {len(secret) for secret in every} == {32}


def test_they_are_read_from_storage_as_written() -> None:
    assert decode_all(SECRETS.encode(), key_schedule.read_epoch_secrets) == SECRETS
    with pytest.raises(PeerError):
        decode_all(SECRETS.encode()[:-1], key_schedule.read_epoch_secrets)


def test_only_the_epoch_authenticator_is_shown() -> None:
    shown = repr(SECRETS)
    hidden = [name for name in SECRETS.__slots__ if repr(getattr(SECRETS, name)) not in shown]
    assert set(SECRETS.__slots__) - set(hidden) == {"epoch_authenticator"}


def test_an_external_init_reaches_who_holds_the_external_secret() -> None:
    _, external_pub = key_schedule.external_key_pair(SUITE_1, SECRETS.external)
    kem_output, sent = key_schedule.send_external_init(SUITE_1, external_pub)
    received = key_schedule.receive_external_init(SUITE_1, kem_output, external=SECRETS.external)
    assert received == sent
    assert key_schedule.receive_external_init(SUITE_1, kem_output, external=ENCRYPTION) != sent


def test_an_export_depends_on_each_argument() -> None:
    def export(label: str, context: bytes, length: int) -> bytes:
        return key_schedule.export(
            SUITE_1, SECRETS.exporter, label=label, context=context, length=length
        )

    asked = [("a", b"", 32), ("b", b"", 32), ("a", b"x", 32), ("a", b"", 33)]
    exported = [export(*arguments) for arguments in asked]
    assert [len(secret) for secret in exported] == [32, 32, 32, 33]
    assert len({secret[:32] for secret in exported}) == 4
    assert export("a", b"", 0) == b""
    for length in (-1, 255 * 32 + 1):
        with pytest.raises(UsageError):
            export("a", b"", length)


def test_the_keys_of_a_welcome() -> None:
    key, nonce = key_schedule.welcome_key_and_nonce(SUITE_1, bytes(32), bytes(32))
    assert (len(key), len(nonce)) == (16, 12)
    assert key_schedule.welcome_key_and_nonce(SUITE_1, bytes(32), b"\x01" * 32) != (key, nonce)
