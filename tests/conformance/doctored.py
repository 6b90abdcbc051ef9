"""A copy of the package with a fault built in, for what cannot be provoked from outside."""

from __future__ import annotations

import shutil
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "kite"

STALL = """
import os, sys, time
if os.path.exists(os.path.join(os.environ["KITE_CWD"], "stall-{name}")):
    time.sleep(1000)
if os.path.exists(os.path.join(os.environ["KITE_CWD"], "die-{name}")):
    sys.exit(7)
"""
"""A core module that does what a file in the project directory says."""


def faulty(kite, directory, *cores, before=STALL, remove=()):
    """Make a Kite run a copy of the package whose core modules begin with a fault.

    Args:
        cores: folders whose `entry.py` begins with `before`.
        remove: files, relative to the package, that the copy lacks.
    """
    copy = directory / "doctored" / "kite"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(PACKAGE, copy, symlinks=False, ignore=ignored)
    for core in cores:
        entry = copy / core / "entry.py"
        text = entry.read_text(encoding="utf-8")
        future = "from __future__ import annotations\n"
        fault = before.replace("{name}", core)
        text = text.replace(future, future + fault, 1) if future in text else fault + text
        entry.write_text(text, encoding="utf-8")
    for path in remove:
        (copy / path).unlink()
    kite.environ["PYTHONPATH"] = str(copy.parent)
    return copy


def order(kite, what, name):
    """`order(kite, "die", "registry")`: from now on lives of the core module do that."""
    path = kite.project / f"{what}-{name}"
    path.touch()
    return path
