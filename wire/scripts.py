"""Which letters and marks a name may have, and the script of each (UAX 31, UAX 24).

Never asks the interpreter's own Unicode tables, which differ between the Pythons that Sotto runs
on: everybody must come to one answer about a name. These are the letters and marks of the scripts
in common modern use (UAX 31, table 5) that PRECIS gives PVALID (RFC 8264, section 9.1), as
assigned in Unicode 14, without historic, phonetic and compatibility blocks, the points of Hebrew
and Arabic, and the Latin letters for tones that look like digits.
"""

from bisect import bisect_right
from functools import cache
from typing import Final, NamedTuple

# Script, then ranges of letters, then ranges of marks: code points in hexadecimal.
_TABLE: Final = (
    (
        "Arabic",
        "620-63f 641-64a 66e-66f 671-674 679-6d3 6d5 6e5-6e6 6ee-6ef 6fa-6fc 6ff 750-77f 870-887 "
        "889-88e 8a0-8c9 fe73",
        "",
    ),
    (
        "Armenian",
        "531-556 559 560-586 588",
        "",
    ),
    (
        "Bengali",
        "980 985-98c 98f-990 993-9a8 9aa-9b0 9b2 9b6-9b9 9bd 9ce 9e0-9e1 9f0-9f1 9fc",
        "981-983 9bc 9be-9c4 9c7-9c8 9cb-9cd 9d7 9e2-9e3 9fe",
    ),
    (
        "Bopomofo",
        "3105-312f 31a0-31bf",
        "",
    ),
    (
        "Cyrillic",
        "400-481 48a-52f",
        "483-484 487",
    ),
    (
        "Devanagari",
        "904-939 93d 950 960-961 971-97f a8f2-a8f7 a8fb a8fd-a8fe",
        "900-903 93a-93c 93e-94f 955-957 962-963 a8e0-a8f1 a8ff",
    ),
    (
        "Ethiopic",
        "1200-1248 124a-124d 1250-1256 1258 125a-125d 1260-1288 128a-128d 1290-12b0 12b2-12b5 "
        "12b8-12be 12c0 12c2-12c5 12c8-12d6 12d8-1310 1312-1315 1318-135a 1380-138f 2d80-2d96 "
        "2da0-2da6 2da8-2dae 2db0-2db6 2db8-2dbe 2dc0-2dc6 2dc8-2dce 2dd0-2dd6 2dd8-2dde "
        "ab01-ab06 ab09-ab0e ab11-ab16 ab20-ab26 ab28-ab2e",
        "135d-135f",
    ),
    (
        "Georgian",
        "10a0-10c5 10c7 10cd 10d0-10fa 10fd-10ff 1c90-1cba 1cbd-1cbf 2d00-2d25 2d27 2d2d",
        "",
    ),
    (
        "Greek",
        "370-373 376-377 37b-37d 37f 386 388-38a 38c 38e-3a1 3a3-3cf 3d7-3e1 3f3 3f7-3f8 3fa-3ff "
        "1d26-1d2a 1f00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f70 "
        "1f72 1f74 1f76 1f78 1f7a 1f7c 1f80-1f87 1f90-1f97 1fa0-1fa7 1fb0-1fb4 1fb6-1fba "
        "1fc2-1fc4 1fc6-1fc8 1fca 1fd0-1fd2 1fd6-1fda 1fe0-1fe2 1fe4-1fea 1fec 1ff2-1ff4 "
        "1ff6-1ff8 1ffa ab65",
        "1d242-1d244",
    ),
    (
        "Gujarati",
        "a85-a8d a8f-a91 a93-aa8 aaa-ab0 ab2-ab3 ab5-ab9 abd ad0 ae0-ae1 af9",
        "a81-a83 abc abe-ac5 ac7-ac9 acb-acd ae2-ae3 afa-aff",
    ),
    (
        "Gurmukhi",
        "a05-a0a a0f-a10 a13-a28 a2a-a30 a32 a35 a38-a39 a5c a72-a74",
        "a01-a03 a3c a3e-a42 a47-a48 a4b-a4d a51 a70-a71 a75",
    ),
    (
        "Han",
        "3005 3400-4dbf 4e00-9fff fa0e-fa0f fa11 fa13-fa14 fa1f fa21 fa23-fa24 fa27-fa29 16fe3 "
        "20000-2a6df 2a700-2b738 2b740-2b81d 2b820-2cea1 2ceb0-2ebe0 30000-3134a",
        "16ff0-16ff1",
    ),
    (
        "Hangul",
        "ac00-d7a3",
        "",
    ),
    (
        "Hebrew",
        "5d0-5ea 5ef-5f2",
        "",
    ),
    (
        "Hiragana",
        "3041-3096 309d-309e",
        "",
    ),
    (
        "Japanese",
        "30fc",
        "",
    ),
    (
        "Kannada",
        "c80 c85-c8c c8e-c90 c92-ca8 caa-cb3 cb5-cb9 cbd cdd-cde ce0-ce1 cf1-cf2",
        "c81-c83 cbc cbe-cc4 cc6-cc8 cca-ccd cd5-cd6 ce2-ce3",
    ),
    (
        "Katakana",
        "30a1-30fa 30fd-30fe",
        "",
    ),
    (
        "Khmer",
        "1780-17b3 17d7 17dc",
        "17b6-17d3 17dd",
    ),
    (
        "Lao",
        "e81-e82 e84 e86-e8a e8c-ea3 ea5 ea7-eb0 eb2 ebd ec0-ec4 ec6 ede-edf",
        "eb1 eb4-ebc ec8-ecd",
    ),
    (
        "Latin",
        "41-5a 61-7a c0-d6 d8-f6 f8-12f 131 134-13e 141-148 14a-17e 180-183 186-1a5 1a9-1bb "
        "1be-1bf 1cd-1f0 1f4-24f 253-254 256-257 259 25b 260 263 268-269 26f 272 275 283 288-28c "
        "292 1e00-1e99 1e9c-1eff 2c65-2c66",
        "",
    ),
    (
        "Malayalam",
        "d04-d0c d0e-d10 d12-d3a d3d d4e d54-d56 d5f-d61 d7a-d7f",
        "d00-d03 d3b-d3c d3e-d44 d46-d48 d4a-d4d d57 d62-d63",
    ),
    (
        "Myanmar",
        "1000-102a 103f 1050-1055 105a-105d 1061 1065-1066 106e-1070 1075-1081 108e a9e0-a9e4 "
        "a9e6-a9ef a9fa-a9fe aa60-aa76 aa7a aa7e-aa7f",
        "102b-103e 1056-1059 105e-1060 1062-1064 1067-106d 1071-1074 1082-108d 108f 109a-109d "
        "a9e5 aa7b-aa7d",
    ),
    (
        "Oriya",
        "b05-b0c b0f-b10 b13-b28 b2a-b30 b32-b33 b35-b39 b3d b5f-b61 b71",
        "b01-b03 b3c b3e-b44 b47-b48 b4b-b4d b55-b57 b62-b63",
    ),
    (
        "Sinhala",
        "d85-d96 d9a-db1 db3-dbb dbd dc0-dc6",
        "d81-d83 dca dcf-dd4 dd6 dd8-ddf df2-df3",
    ),
    (
        "Tamil",
        "b83 b85-b8a b8e-b90 b92-b95 b99-b9a b9c b9e-b9f ba3-ba4 ba8-baa bae-bb9 bd0",
        "b82 bbe-bc2 bc6-bc8 bca-bcd bd7",
    ),
    (
        "Telugu",
        "c05-c0c c0e-c10 c12-c28 c2a-c39 c3d c58-c5a c5d c60-c61",
        "c00-c04 c3c c3e-c44 c46-c48 c4a-c4d c55-c56 c62-c63",
    ),
    (
        "Thaana",
        "780-7a5 7b1",
        "7a6-7b0",
    ),
    (
        "Thai",
        "e01-e30 e32 e40-e46",
        "e31 e34-e3a e47-e4e",
    ),
    (
        "Tibetan",
        "f00 f40-f42 f44-f47 f49-f4c f4e-f51 f53-f56 f58-f5b f5d-f68 f6a-f6c f88-f8c",
        "f18-f19 f35 f37 f39 f3e-f3f f71-f72 f74 f7a-f80 f82-f84 f86-f87 f8d-f92 f94-f97 f99-f9c "
        "f9e-fa1 fa3-fa6 fa8-fab fad-fb8 fba-fbc fc6",
    ),
)

# Scripts that are written together count as one (UTS 39, section 5.1). The long-vowel mark, which
# Unicode gives to no script, stands in the table as Japanese.
_WRITING_SYSTEMS: Final = (
    frozenset({"Han", "Hiragana", "Katakana", "Japanese"}),
    frozenset({"Han", "Bopomofo"}),
    frozenset({"Han", "Hangul"}),
)


class Letter(NamedTuple):
    """What the table knows about a character."""

    script: str
    is_mark: bool


def letter(character: str) -> Letter | None:
    """The script of one character; None for one that no name has."""
    starts, rows = _index()
    at = bisect_right(starts, ord(character)) - 1
    if at < 0 or ord(character) > rows[at][0]:
        return None
    return rows[at][1]


def is_one_script(scripts: frozenset[str]) -> bool:
    """Whether these scripts are one, or belong to one way of writing (Japanese, Korean...)."""
    return len(scripts) <= 1 or any(scripts <= system for system in _WRITING_SYSTEMS)


@cache
def _index() -> tuple[list[int], list[tuple[int, Letter]]]:
    """The table by code point: first of each range, then (last, what it is)."""
    found: list[tuple[int, int, Letter]] = []
    for script, letters, marks in _TABLE:
        for ranges, is_mark in ((letters, False), (marks, True)):
            for bounds in ranges.split():
                first, _, last = bounds.partition("-")
                found.append((int(first, 16), int(last or first, 16), Letter(script, is_mark)))
    found.sort()
    return [first for first, _, _ in found], [(last, kind) for _, last, kind in found]
