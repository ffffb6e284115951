"""What a name looks like: the skeleton of UTS 39, section 4, over the Unicode confusables data.

Never shown to anybody: two names with one skeleton look alike, and that is all it says.
"""

import json
from functools import cache
from importlib.resources import files
from unicodedata import normalize

# What the table of UTS 39 does to the characters of an ASCII name once it is in small letters. And
# since names are shown as typed, small letters whose capitals look alike: i and l, and those whose
# capital looks like a 3 (Cyrillic ze, Latin ezh and yogh, here by their prototypes).
_FOLD = str.maketrans({"0": "o", "1": "l", "i": "l", "m": "rn", "\u025c": "3", "\u021d": "3"})
_DOUBLE_ACUTE, _DIAERESIS = "\u0151", "\u00f6"  # on an o; alike in capitals
_LEFT_TO_RIGHT_MARK = "\u200e"  # the data wraps right-to-left characters into it


def skeleton(name: str) -> str:
    """The same string for every name that looks like `name` in any mixture of case.

    ASCII takes a path that loads no table and gives the same answer.
    """
    lowered = name.lower()
    if lowered.isascii():
        return lowered.translate(_FOLD)
    alike = normalize("NFC", lowered).replace(_DOUBLE_ACUTE, _DIAERESIS)
    return prototype(alike).lower().translate(_FOLD)


def prototype(text: str) -> str:
    """`text` with each character replaced by the one that stands for its look-alikes.

    Letters with their accents first: the table has pairs of those as well (a with a ring, a with a
    dot), which UTS 39 loses by decomposing at once.
    """
    whole = normalize("NFC", text).translate(_prototypes())
    return normalize("NFD", normalize("NFD", whole).translate(_prototypes()))


@cache
def _prototypes() -> dict[int, str]:
    """Character to prototype. The data lists every pair from both ends.

    A character that looks like one other only is the source of the pair; where both ends do, the
    pair stands alone and either may stand for it.
    """
    path = files("confusable_homoglyphs") / "confusables.json"
    raw: dict[str, list[dict[str, str]]] = json.loads(path.read_text("utf-8"))
    pairs = {
        source.strip(_LEFT_TO_RIGHT_MARK): {
            target["c"].strip(_LEFT_TO_RIGHT_MARK) for target in targets
        }
        for source, targets in raw.items()
    }
    found = {}
    for source, targets in pairs.items():
        if len(source) > 1 or len(targets) > 1:
            continue
        (target,) = targets
        stands_alone = pairs[target] == {source}
        if not stands_alone or len(target) > 1 or target < source:
            found[ord(source)] = target
    return found
