"""The relay's door: checks that it can start at all, then hands over to relay.cli.

Never shows a traceback for what an operator can mend: an old Python or a missing package.
"""

import os
import sys

OURS = ("crypto", "engine", "relay", "storage", "ui", "wire")


def main(arguments):
    """Return the exit status of the command line `arguments`."""
    if sys.version_info < (3, 11):
        sys.stderr.write(
            "Sotto needs Python 3.11 or newer; this is %d.%d.\n" % sys.version_info[:2]  # noqa: UP031
        )
        return 1
    if os.name != "posix":
        sys.stderr.write("The relay runs on Linux and macOS. The client runs here as well.\n")
        return 1
    try:
        from relay.cli import run

        return run(arguments)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in OURS:
            raise
        lock = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
        sys.stderr.write(
            "A package is missing (%s). Install what Sotto needs:\n"  # noqa: UP031
            "    %s -m pip install --require-hashes -r %s\n" % (missing.name, sys.executable, lock)
        )
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
