"""Fuzzes one target with atheris: `python -m tests.fuzz.run TARGET [flags of libFuzzer]`.

What it finds stays in .cache/fuzz/TARGET, where the next run goes on; a crash is written beside.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import atheris

# It names every module that it instruments.
with redirect_stderr(StringIO()), atheris.instrument_imports(include=["crypto", "wire"]):
    from tests.fuzz.inputs import TARGETS, corpus

_FOUND = Path(__file__).parents[2] / ".cache" / "fuzz"


def main() -> None:
    name, *flags = sys.argv[1:]
    folder = _FOUND / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus(name)):
        (folder / f"start-{number}").write_bytes(data)
    prefix = f"-artifact_prefix={_FOUND}/{name}-"
    atheris.Setup([sys.argv[0], prefix, *flags, str(folder)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
