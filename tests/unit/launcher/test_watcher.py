"""Which changed files restart a module."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from kite.launcher.watcher import concerns
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
