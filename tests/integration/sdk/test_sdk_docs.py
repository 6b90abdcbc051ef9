"""Every example in docs/reference/sdk-python.md runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sdk-python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
MODULES = [text for text in EXAMPLES if "module.run()" in text and "# greeter.py" not in text]


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 11
    assert len(MODULES) == 9


@pytest.mark.parametrize("number", range(len(MODULES)))
async def test_example_is_a_module(hub, registry, process, number: int) -> None:
    child = await process(MODULES[number], KITE_PORT="4711")
    await hub.hear("module.ready", seconds=30)
    if "shop.price" in MODULES[number]:
        await hub.hear("shop.price", count=2)
        while not (line := (await child.stderr.readline()).decode()).startswith("info     no_such"):
            assert line
        assert line == "info     no_such_fruit: no price for 'pear'\n"
    child.stdin.close()
    async with asyncio.timeout(10):
        error = await child.stderr.read()
        assert await child.wait() == 0, error.decode()
    assert b"Traceback" not in error
    assert b"event.refused" not in error
    assert b"events.lost" not in error
    if "api_endpoint" in MODULES[number]:
        assert registry.entries["worker"]["api_endpoint"] == "http://127.0.0.1:4711"


def test_example_of_a_test_passes(tmp_path: Path) -> None:
    for text in EXAMPLES:
        if found := re.match(r"# (\w+\.py)\n", text):
            (tmp_path / found.group(1)).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
