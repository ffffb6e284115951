"""Installs the peers that bench.mls compares with, pinned, into bench/.peers and nowhere else.

Never touches the product's environment; what cannot be installed is left out with its reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE.parent / ".peers"


class LeftOutError(Exception):
    """A peer that cannot be measured here; the text says why."""


def python_peers() -> Path:
    """The interpreter of an environment with rfc9420, DoubleRatchet and our own cryptography."""
    wanted = (HERE / "requirements.txt").read_text() + f"cryptography=={version('cryptography')}\n"
    folder = FOLDER / "python"
    interpreter, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted_stamp = f"Python {sys.version}\n{wanted}"
    if not stamp.is_file() or stamp.read_text() != wanted_stamp:
        _anew(folder)
        _run([sys.executable, "-m", "venv", str(folder)], folder)
        listed = folder / "requirements.txt"
        listed.write_text(wanted)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "-r", str(listed)], folder)
        stamp.write_text(wanted_stamp)
    return interpreter


def ts_mls() -> tuple[str, Path]:
    """The Node program and the file to import ts-mls from."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise LeftOutError("there is no node and npm here")
    folder = FOLDER / "node"
    wanted, stamp = (HERE / "package-lock.json").read_text(), folder / "installed.json"
    if not stamp.is_file() or stamp.read_text() != wanted:
        _anew(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
        stamp.write_text(wanted)
    return node, folder / "node_modules" / "ts-mls" / "dist" / "src" / "index.js"


def _anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise LeftOutError(f"{Path(command[0]).name} could not install it: {lines[-1]}")
