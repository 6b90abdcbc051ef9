"""The parts that are JavaScript, tested in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
@pytest.mark.parametrize("name", ["docsearch_preview.test.mjs", "docsearch_page.test.mjs"])
def test_javascript(name: str) -> None:
    ended = subprocess.run(
        ["node", "--test", str(HERE / name)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
