"""The official vectors: every case of every file passes."""

import pytest

from tests import mls_vectors

FILES = {path.name: path for path in mls_vectors.files_in(mls_vectors.directory())}
NAMES = """
    crypto-basics deserialization key-schedule message-protection messages psk_secret secret-tree
    passive-client-handling-commit passive-client-welcome transcript-hashes tree-math
    tree-operations tree-validation treekem welcome
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_every_official_case_passes_in_every_suite(name: str) -> None:
    path = FILES.get(f"{name}.json.gz") or FILES.get(f"{name}.json")
    if path is None:
        pytest.skip(f"no {name} vectors in {mls_vectors.directory()}: set MLS_VECTORS")
    result = mls_vectors.run_file(path)
    assert not result.failures
    assert not result.skips
    assert result.passed == len(mls_vectors.load(path)) > 0
