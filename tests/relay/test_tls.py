import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relay import datafolder, tls
from relay.errors import StartError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return datafolder.open_folder(tmp_path / "data")


def test_a_certificate_is_made_once(folder: Path) -> None:
    made = tls.load_or_make(folder, now=lambda: NOW)
    again = tls.load_or_make(folder, now=lambda: NOW + timedelta(days=99))
    assert made.spki_hash == again.spki_hash
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a44_the_context_speaks_tls_1_3_alone_without_compression_or_tickets(folder: Path) -> None:
    context = tls.load_or_make(folder, now=lambda: NOW).context
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.num_tickets == 0


def test_the_hash_is_that_of_the_certificates_key(folder: Path) -> None:
    identity = tls.load_or_make(folder, now=lambda: NOW)
    certificate = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert identity.spki_hash == hashlib.sha256(spki).digest()


def test_a88_the_end_of_a_certificate_is_foretold(folder: Path) -> None:
    tls.load_or_make(folder, now=lambda: NOW)
    certificate = folder / "tls.crt"
    end = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    assert tls.expiry_warning(certificate, NOW) is None
    assert "in 7 days" in (tls.expiry_warning(certificate, end - timedelta(days=7)) or "")
    assert "ended on" in (tls.expiry_warning(certificate, end + timedelta(days=1)) or "")


@pytest.mark.parametrize("broken", ["no key", "no certificate", "another key", "text"])
def test_files_that_do_not_belong_together_are_refused(
    folder: Path, tmp_path: Path, broken: str
) -> None:
    tls.load_or_make(folder, now=lambda: NOW)
    certificate, key = folder / "tls.crt", folder / "tls.key"
    if broken == "no key":
        key.unlink()
    elif broken == "no certificate":
        certificate.unlink()
    elif broken == "another key":
        other = datafolder.open_folder(tmp_path / "other")
        tls.load_or_make(other, now=lambda: NOW)
        key.write_bytes((other / "tls.key").read_bytes())
    else:
        certificate.write_text("hello")
    with pytest.raises(StartError):
        tls.load(certificate, key)


def test_a87_a_key_that_everybody_may_read_is_refused(folder: Path) -> None:
    tls.load_or_make(folder, now=lambda: NOW)
    (folder / "tls.key").chmod(0o644)
    with pytest.raises(StartError, match="chmod 600"):
        tls.load(folder / "tls.crt", folder / "tls.key")
