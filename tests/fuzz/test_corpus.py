"""The targets without atheris: every input of the corpus, and a few hundred changes of them."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import process
from tests.fuzz.choices import Choices, edited
from tests.fuzz.decoders import DECODERS
from tests.fuzz.inputs import TARGETS, corpus, valid_encodings

CHANGES = 300


@pytest.mark.parametrize("target", TARGETS)
def test_a66_no_input_makes_a_target_fail(target: str) -> None:
    run, inputs, chooser = TARGETS[target], corpus(target), random.Random(1)
    for data in inputs:
        run(data)
    for _ in range(CHANGES):
        run(edited(chooser.choice(inputs), Choices(chooser.randbytes(40))))


@pytest.mark.parametrize("data", valid_encodings(), ids=lambda data: DECODERS[data[0]][0])
def test_a_valid_encoding_is_accepted(data: bytes) -> None:
    DECODERS[data[0]][1](data[1:])


def test_the_world_still_works_after_hostile_messages() -> None:
    for data in corpus("process")[:20]:
        process.run(data)
    process.check_still_works()
