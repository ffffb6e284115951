from __future__ import annotations

import random

import pytest

from crypto.errors import PeerError, UsageError
from crypto.identity import RootKey
from crypto.recovery import new_recovery_code, open_root, parse_recovery_code, seal_root
from wire import limits

RANDOM = random.Random(1).randbytes
SECRET = bytes(range(32))
CODE = new_recovery_code(lambda size: SECRET[:size])
ROOT = RootKey.generate("ed25519")
RSA_ROOT = RootKey.generate("rsa")


def refused(code: str, account: str, sealed: bytes) -> None:
    with pytest.raises(PeerError) as caught:
        open_root(code, account, sealed)
    assert caught.value.code == "bad_recovery_code"


def test_a_code_is_fourteen_groups_of_four() -> None:
    assert [len(group) for group in CODE.split("-")] == [4] * 14
    assert parse_recovery_code(CODE) == SECRET
    assert not set(CODE) & set("ILOU")


def test_codes_of_fresh_randomness_differ() -> None:
    assert len({new_recovery_code(RANDOM) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "typed",
    [
        CODE.lower(),
        CODE.replace("-", ""),
        CODE.replace("-", " "),
        f"  {CODE}\n",
        CODE.replace("0", "O").replace("1", "I"),
        CODE.replace("0", "o").replace("1", "l"),
    ],
    ids=["small letters", "no hyphens", "spaces", "space around", "O and I", "o and l"],
)
def test_what_people_mistype_without_meaning_is_forgiven(typed: str) -> None:
    assert parse_recovery_code(typed) == SECRET


def test_every_mistyped_symbol_is_noticed() -> None:
    symbols = CODE.replace("-", "")
    for at, symbol in enumerate(symbols):
        other = "Z" if symbol != "Z" else "Y"
        with pytest.raises(PeerError) as caught:
            parse_recovery_code(symbols[:at] + other + symbols[at + 1 :])
        assert caught.value.code == "bad_recovery_code"


@pytest.mark.parametrize(
    "typed",
    ["", CODE[:-1], CODE + "0", CODE.replace(CODE[0], "U"), "é" * 56, " " * 600 + CODE, "\ud800"],
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(PeerError) as caught:
        parse_recovery_code(typed)
    assert caught.value.code == "bad_recovery_code"


@pytest.mark.parametrize("root", [ROOT, RSA_ROOT], ids=["ed25519", "rsa"])
def test_a_sealed_root_opens_with_its_code(root: RootKey) -> None:
    sealed = seal_root(CODE, "alice", root.to_bytes(), random=RANDOM)
    opened = open_root(CODE.lower(), "alice", sealed)
    assert RootKey.from_bytes(opened).identity == root.identity
    assert len(sealed) <= limits.MAX_SEALED_ROOT_BYTES


def test_a58_the_sealed_size_tells_the_kind_and_nothing_else() -> None:
    sizes = {len(seal_root(CODE, "alice", bytes(size), random=RANDOM)) for size in (1, 48, 126)}
    assert len(sizes) == 1
    rsa_sizes = {len(seal_root(CODE, "alice", bytes(size), random=RANDOM)) for size in (127, 1790)}
    assert len(rsa_sizes) == 1


def test_sealing_twice_shares_nothing() -> None:
    one, other = (seal_root(CODE, "alice", ROOT.to_bytes(), random=RANDOM) for _ in range(2))
    assert one[1:33] != other[1:33]
    assert one[33:] != other[33:]


def test_another_code_or_account_does_not_open_it() -> None:
    sealed = seal_root(CODE, "alice", ROOT.to_bytes(), random=RANDOM)
    refused(new_recovery_code(RANDOM), "alice", sealed)
    refused(CODE, "bob", sealed)


def test_each_changed_byte_is_noticed() -> None:
    sealed = seal_root(CODE, "alice", ROOT.to_bytes(), random=RANDOM)
    for at in range(len(sealed)):
        bad = bytearray(sealed)
        bad[at] ^= 1
        refused(CODE, "alice", bytes(bad))
    for bad_size in (0, 1, 32, len(sealed) - 1, len(sealed) + 1):
        refused(CODE, "alice", (sealed + b"\0")[:bad_size])


def test_a_root_that_is_none_is_the_callers_fault() -> None:
    with pytest.raises(UsageError):
        seal_root(CODE, "alice", bytes(2047))
    with pytest.raises(PeerError):
        seal_root("no code", "alice", ROOT.to_bytes())
