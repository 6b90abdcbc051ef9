"""The Node SDK keeps every promise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kite.conformance.cases.everything import CASES

from .driver import document, typed, verdicts
from .mutant import EXAMPLES

MODULE = EXAMPLES / "conformance" / "node" / "main.mjs"
SDK = EXAMPLES.parent / "sdks" / "node"


def node() -> str:
    """Node with a WebSocket: its own (22 and newer), or the package of the SDK."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node.js is not installed")
    if not SDK.exists():
        pytest.skip("the Node SDK is not in this tree")
    asked = "globalThis.WebSocket ?? await import('ws')"
    words = [program, "--input-type=module", "-e", asked]
    if subprocess.run(words, cwd=SDK, capture_output=True, check=False).returncode != 0:
        pytest.skip("Node.js has no WebSocket: take Node 22, or npm install in sdks/node")
    return program


@pytest.mark.slow
def test_the_node_sdk_passes_everything(tmp_path: Path) -> None:
    """Nothing is failed, and nothing is left out that it has."""
    outcome = typed(tmp_path, "--json", "--timeout", "60", "--", node(), str(MODULE))
    assert verdicts(document(outcome)) == {case.name: "passed" for case in CASES}, outcome.out
