"""Peers that come from PyPI and npm: installed once, into the user's cache, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.supervision.peers.peer import Missing, program

SUPERVISOR, CIRCUS, PM2 = "4.3.0", "0.19.0", "7.0.4"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kite" / "peers"
_MOST_SECONDS = 300


def interpreter() -> str:
    """The Python of the system: what is installed in a virtual environment costs it nothing."""
    return str(getattr(sys, "_base_executable", sys.executable))


def python_package(name: str, version: str) -> Path:
    """A folder for `PYTHONPATH`.

    Raises:
        Missing: pip could not install it.
    """
    folder = _CACHE / f"{name}-{version}-python{sys.version_info[0]}.{sys.version_info[1]}"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    return _install(folder, *pip, f"{name}=={version}", "--target")


def node_package(name: str, version: str) -> Path:
    """A folder with `node_modules`.

    Raises:
        Missing: there is no npm, or it could not install the package.
    """
    npm = program("npm", f"{name} needs Node.js with npm")
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    return _install(
        _CACHE / f"{name}-{version}", npm, "install", *quiet, f"{name}@{version}", "--prefix"
    )


def _install(folder: Path, *command: str) -> Path:
    """Run the command with a folder as its last word; a folder that is there is whole."""
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    print(f"  installing {folder.name} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as building:
        whole = Path(building) / "whole"
        whole.mkdir()
        done = subprocess.run(
            (*command, str(whole)),
            capture_output=True,
            text=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise Missing(f"{folder.name} could not be installed: {said[-1] if said else '?'}")
        whole.rename(folder)
    return folder
