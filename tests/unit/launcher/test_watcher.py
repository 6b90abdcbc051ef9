"""Which changed files restart a module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path, PurePath
from typing import Any

import pytest
import watchfiles

from kite.launcher import watcher
from kite.launcher.watcher import Watcher, concerns
from kite.model.watch import Watch


@pytest.mark.parametrize(
    ("path", "watch", "means_a_restart"),
    [
        ("main.py", Watch(), True),
        ("deep/er/main.py", Watch(), True),
        (".git/HEAD", Watch(), False),
        ("src/.main.py.swp", Watch(), False),
        ("src/__pycache__/main.cpython-311.pyc", Watch(), False),
        ("node_modules/left-pad/index.js", Watch(), False),
        ("main.py", Watch(ignore=("*.py",)), False),
        ("deep/main.py", Watch(ignore=("*.py",)), False),
        ("data/x.db", Watch(ignore=("data/**",)), False),
        ("database/x.db", Watch(ignore=("data/**",)), True),
        ("main.py", Watch(paths=("*.py",)), True),
        ("deep/er/main.py", Watch(paths=("**/*.py",)), True),
        ("main.py", Watch(paths=("**/*.py",)), True),
        ("main.txt", Watch(paths=("*.py", "*.js")), False),
        ("src/main.py", Watch(paths=("src/**",)), True),
        ("src/deep/er/main.py", Watch(paths=("src/**",)), True),
        ("lib/main.py", Watch(paths=("src/**",)), False),
        ("src/main.py", Watch(paths=("src/**/*.py",)), True),
        ("src/deep/main.py", Watch(paths=("src/**/*.py",)), True),
        ("src/deep/er/main.py", Watch(paths=("src/**/*.py",)), True),
        ("lib/main.py", Watch(paths=("src/**/*.py",)), False),
        ("src/a/b/lib/c/main.py", Watch(paths=("src/**/lib/**/*.py",)), True),
        ("srcs/main.py", Watch(paths=("src/**",)), False),
        ("src/main.txt", Watch(paths=("src/**/*.py",)), False),
        ("anything", Watch(paths=()), False),
        ("main.py", Watch(paths=("*.py",), ignore=("main.*",)), False),
    ],
)
def test_what_concerns_a_module(path: str, watch: Watch, means_a_restart: bool) -> None:
    assert concerns(PurePath(path), watch) is means_a_restart


async def test_a_watch_that_fails_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when the system has no watches left."""
    tries = 0

    async def awatch(folder: Path, **_: Any) -> AsyncIterator[set[tuple[int, str]]]:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise OSError(28, "no watches are left")
        yield {(1, str(folder / "main.py"))}
        await asyncio.Event().wait()

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    monkeypatch.setattr(watcher, "_AGAIN", 0.0)
    changed: asyncio.Queue[tuple[str, tuple[str, ...]]] = asyncio.Queue()
    problems: list[str] = []
    seeing = Watcher(
        lambda work, name: asyncio.create_task(work, name=name),
        lambda *change: changed.put_nowait(change),
        lambda name, why: problems.append(f"{name}: {why}"),
    )
    seeing.follow({"m": (tmp_path, Watch())})
    async with asyncio.timeout(5):
        assert await changed.get() == ("m", ("main.py",))
    seeing.follow({})
    assert problems == ["m: [Errno 28] no watches are left"]
