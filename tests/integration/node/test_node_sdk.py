"""The Node SDK, tested in its own language and with its own test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SDK = Path(__file__).resolve().parents[3] / "sdks" / "node"
FILES = sorted(path.name for path in (SDK / "test").glob("*.test.mjs"))
LEAST = (20, 0)


def node() -> str:
    """Node 20 or newer."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if tuple(int(part) for part in said.strip().lstrip("v").split(".")[:2]) < LEAST:
        pytest.skip(f"Node.js is too old: {said.strip()}, and the SDK needs 20")
    return program


@pytest.mark.parametrize("name", FILES)
def test_node_sdk(name: str) -> None:
    """Everything that a file of the SDK's own tests says holds."""
    mine = {
        name: text for name, text in os.environ.items() if not name.startswith(("KITE_", "NODE_"))
    }
    kite = Path(sys.executable).parent / "kite"
    ended = subprocess.run(
        [node(), "--test", str(SDK / "test" / name)],
        env=mine | {"KITE_TEST_PROGRAM": str(kite)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-12000:] + ended.stderr[-2000:]


def test_sources_and_declarations_agree() -> None:
    """The types that are written by hand are those of the sources, by the strictest reading."""
    compiler = SDK / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: npm install, in sdks/node")
    for project in (".", "test/types"):
        ended = subprocess.run(
            [node(), str(compiler), "-p", project],
            cwd=SDK,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
