"""The official vectors below the group, and the runner that reads them."""

import pytest

from crypto.mls.suite import SUITES
from tests import mls_vectors, vector_checks_bottom

FILES = mls_vectors.files_in(mls_vectors.directory())


@pytest.mark.parametrize("name", vector_checks_bottom.CHECKS)
def test_every_official_case_of_a_suite_we_have_passes(name: str) -> None:
    if name not in FILES:
        pytest.skip(f"no {name} vectors in {mls_vectors.directory()}: set MLS_VECTORS")
    cases = mls_vectors.load(FILES[name])
    result = mls_vectors.run(name, cases)
    ours = sum(case.get("cipher_suite", 1) in SUITES for case in cases)
    assert not result.failures
    assert result.passed == ours > 0


def test_a_wrong_vector_fails() -> None:
    right = {"vlbytes_header": "25", "length": 37}
    wrong = {"vlbytes_header": "25", "length": 38}
    result = mls_vectors.run("deserialization", [right, wrong])
    assert (result.passed, result.failures.total()) == (1, 1)
    assert next(result.lines("x.json")) == "x.json: passed 1, failed 1, skipped 0"


def test_a_broken_case_is_a_failure_and_hides_no_other() -> None:
    result = mls_vectors.run("deserialization", [{}, {"vlbytes_header": "25", "length": 37}])
    assert (result.passed, result.failures.total()) == (1, 1)


def test_what_cannot_be_checked_is_skipped_with_its_reason() -> None:
    skipped = mls_vectors.run("psk_secret", [{"cipher_suite": 0x7777}])
    assert skipped.skips == {"cipher suite 30583 is not built": 1}
    assert mls_vectors.run("no-such-file", [{}]).skips == {"there is no check for this file": 1}
