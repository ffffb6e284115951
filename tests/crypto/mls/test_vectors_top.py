"""The official vectors about trees, messages and whole groups."""

import pytest

from crypto.mls.suite import SUITES
from tests import mls_vectors, vector_checks_top

FILES = mls_vectors.files_in(mls_vectors.directory())


@pytest.mark.parametrize("name", vector_checks_top.CHECKS)
def test_every_official_case_of_a_suite_we_have_passes(name: str) -> None:
    if name not in FILES:
        pytest.skip(f"no {name} vectors in {mls_vectors.directory()}: set MLS_VECTORS")
    cases = mls_vectors.load(FILES[name])
    result = mls_vectors.run(name, cases)
    ours = sum(case.get("cipher_suite", 1) in SUITES for case in cases)
    assert not result.failures
    assert result.passed == ours > 0
