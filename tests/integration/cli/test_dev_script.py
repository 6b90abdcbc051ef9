"""The clone's one script: what its words run, and what `./dev run` tells somebody to type next."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def test_dev_kite_is_kite_in_docsearch(tmp_path: Path) -> None:
    """In a clone that is set up: the words behind `kite` are handed on as they are."""
    made_of = ["pyproject.toml", "hatch_build.py"]
    for kind in ("pyx", "h"):
        found = (ROOT / "src" / "kite").glob(f"*/compiled/*.{kind}")
        made_of += sorted(str(path.relative_to(ROOT)) for path in found)
    for name in ("dev", *made_of):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    program = tmp_path / ".venv" / "bin" / "kite"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    program.chmod(0o755)
    text = b"".join((ROOT / name).read_bytes() for name in made_of)
    checksum = subprocess.run(["cksum"], input=text, capture_output=True, check=True).stdout
    (tmp_path / ".venv" / ".kite-setup").write_text(f"run {checksum.decode()}")
    done = subprocess.run(
        [tmp_path / "dev", "kite", "logs", "-n", "2", "a b"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "-C|examples/docsearch|logs|-n|2|a b|"
    assert done.stderr == ""


def test_dev_run_says_how_to_look_around(tmp_path: Path) -> None:
    """Before it becomes `kite up`, whose own advice needs `kite` on the PATH."""
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "docsearch" / "run.py", tmp_path, "--frob"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, "kite up has no such option, so nothing was started"
    assert "look around in another terminal: ./dev kite ps" in done.stderr


@pytest.mark.parametrize("is_taken", [False, True])
def test_dev_run_speaks_chinese_throughout(tmp_path: Path, is_taken: bool) -> None:
    """No line is left in English, whether the page's own port is free or not."""
    with socket.socket() as somebody:
        if is_taken:
            somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # taken by another program is as good
                somebody.bind(("127.0.0.1", 8600))
                somebody.listen()
        said = [run("--help").stdout.splitlines()[2], run("--help").stdout.splitlines()[-1]]
        said += run(str(tmp_path / "none")).stderr.splitlines()
        lines = run(str(tmp_path), "--frob").stderr.partition("\n\n")[0].splitlines()
    assert len(lines) == 3
    assert not is_taken or "8600 已被占用" in lines[1]
    assert [line for line in said + lines if not re.search("[一-鿿]", line)] == []


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "examples" / "docsearch" / "run.py", *words],
        env={**os.environ, "KITE_LANG": "zh_CN", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )
