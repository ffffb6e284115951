"""What a name looks like: the skeleton of UTS 39, section 4, over the Unicode confusables data.

Never shown to anybody: two names with one skeleton look alike, and that is all it says.
"""

import json
from functools import cache
from importlib.resources import files
from unicodedata import normalize

# What the table of UTS 39 does to the characters of an ASCII name once it is in small letters,
# and i with l: names are shown as typed, and the table says that a capital I looks like l.
_FOLD = str.maketrans({"0": "o", "1": "l", "i": "l", "m": "rn"})
_LEFT_TO_RIGHT_MARK = "\u200e"  # the data wraps right-to-left characters into it


def skeleton(name: str) -> str:
    """The same string for every name that looks like `name` in any mixture of case.

    ASCII takes a path that loads no table and gives the same answer.
    """
    lowered = name.lower()
    if lowered.isascii():
        return lowered.translate(_FOLD)
    return prototype(lowered).lower().translate(_FOLD)


def prototype(text: str) -> str:
    """`text` with each character replaced by the one that stands for its look-alikes."""
    return normalize("NFD", normalize("NFD", text).translate(_prototypes()))


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
