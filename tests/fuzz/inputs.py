"""What fuzzing starts from: valid encodings, and inputs that earlier fuzzing found worth keeping.

corpus/TARGET.txt has one input a line, in hexadecimal, with the first byte that chooses.
"""

from __future__ import annotations

from pathlib import Path

from tests.fuzz import decoders, process
from tests.fuzz.decoders import DECODERS
from tests.fuzz.seeds import seeds

TARGETS = {"decoders": decoders.run, "process": process.run}

_FOLDER = Path(__file__).parent / "corpus"


def corpus(target: str) -> list[bytes]:
    """All inputs of a target, in one order."""
    kept = [bytes.fromhex(line) for line in (_FOLDER / f"{target}.txt").read_text().split()]
    return valid_encodings() + kept if target == "decoders" else kept


def valid_encodings() -> list[bytes]:
    """What the decoders accept, as the target takes it."""
    made = seeds()
    return [
        bytes((number,)) + data
        for number, (name, _) in enumerate(DECODERS)
        for data in made.get(name, ())
    ]
