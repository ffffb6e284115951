"""The client's door: read flags, find the face, start it.

Run without its dependencies it prints how to install them, never a traceback.
"""

from __future__ import annotations

import sys

INSTALL = (
    "Sotto's client needs a few libraries that are not installed here. Either run\n"
    "    make chat\n"
    "in this folder, or install them into an environment of your own:\n"
    "    python3 -m pip install --require-hashes -r requirements.txt"
)


def main() -> int:
    """Return the exit status."""
    if sys.version_info < (3, 11):
        print("Sotto needs Python 3.11 or newer; this is " + sys.version.split()[0] + ".")
        return 1
    try:
        from ui.door import main as run
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in OURS:
            raise
        print(INSTALL, file=sys.stderr)
        return 1
    return run(sys.argv[1:])


OURS = frozenset({"crypto", "engine", "storage", "ui", "wire"})

if __name__ == "__main__":
    sys.exit(main())
