"""The Autobahn testsuite: where it is, how it comes, and one run of it against the echo listener.

It runs on CPython 2.7 only, so it lives outside of the repository, in the user's cache.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "25.10.1"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
HOME = _CACHE / "kite" / f"autobahntestsuite-{VERSION}"
_LISTENER = Path(__file__).with_name("echo_listener.py")

CASES = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1}
"""Groups of RFC 6455 proper, and how many cases each has (8 is empty, 12 and 13 are compression)."""

_PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
_MOST_SECONDS = 900


class Missing(Exception):
    """The suite cannot run here; says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one case went.

    Args:
        case: `6.4.1`.
        behavior: `OK`, `NON-STRICT`, `INFORMATIONAL`, or what went wrong.
        closing: the same of the end of the connection.
    """

    case: str
    behavior: str
    closing: str

    @property
    def group(self) -> str:
        return self.case.partition(".")[0]

    @property
    def is_failure(self) -> bool:
        return self.behavior not in _PASSED or self.closing not in _PASSED


def find_python() -> str:
    """A CPython 2.7.

    Raises:
        Missing: there is none.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    installed = sorted(map(str, pyenv.glob("versions/2.7*/bin/python2.7")))
    for name in [os.environ.get("PYTHON2"), "python2.7", "python2", *installed]:
        path = shutil.which(name) if name else None
        if path is None:
            continue
        # A shim of pyenv is there also when the version behind it is not chosen.
        ask = [path, "-c", "import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))"]
        if subprocess.run(ask, capture_output=True, check=False).returncode == 0:
            return path
    raise Missing(
        "the Autobahn testsuite needs Python 2.7 with pip, and there is none; "
        "install one, or name it: PYTHON2=/path/to/python2.7"
    )


def installed() -> list[str]:
    """The command that starts the suite.

    Raises:
        Missing: there is no Python 2.7, or the suite was not installed yet.
    """
    python = find_python()
    program = HOME / "bin" / "wstest"
    if not program.exists():
        raise Missing(f"autobahntestsuite {VERSION} is not installed: ./dev autobahn does it")
    return [python, str(program)]


def install() -> list[str]:
    """Install the suite where it is missing; returns the command that starts it.

    Raises:
        Missing: there is no Python 2.7, or pip failed.
    """
    python = find_python()
    if not HOME.exists():
        HOME.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=HOME.parent) as building:
            whole = Path(building) / "home"
            pip = [
                python,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--user",
                f"autobahntestsuite=={VERSION}",
            ]
            env = {**os.environ, "PYTHONUSERBASE": str(whole)}
            done = subprocess.run(pip, env=env, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Missing(f"pip could not install autobahntestsuite {VERSION}:\n{done.stderr}")
            whole.rename(HOME)
    return installed()


def run(command: list[str], form: str, cases: Iterable[str]) -> list[Result]:
    """Run cases against the echo listener of one form.

    Args:
        command: what `installed` or `install` returned.
        form: `pure` or `compiled`.
        cases: patterns such as `1.*`.

    Raises:
        RuntimeError: the suite ended before its time; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="kite-autobahn-") as directory, _listening(form) as url:
        plan = {
            "outdir": f"{directory}/out",
            "servers": [{"agent": form, "url": url}],
            "cases": list(cases),
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }
        spec = Path(directory, "plan.json")
        spec.write_text(json.dumps(plan), encoding="utf-8")
        done = subprocess.run(
            [*command, "-m", "fuzzingclient", "-s", str(spec)],
            env={**os.environ, "PYTHONUSERBASE": str(HOME), "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=directory,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_MOST_SECONDS,
            check=False,
        )
        index = Path(directory, "out", "index.json")
        if done.returncode or not index.exists():
            raise RuntimeError(f"wstest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        rows = json.loads(index.read_text(encoding="utf-8"))[form]
    found = [
        Result(case=case, behavior=row["behavior"], closing=row["behaviorClose"])
        for case, row in rows.items()
    ]
    return sorted(found, key=lambda result: [int(part) for part in result.case.split(".")])


@contextmanager
def _listening(form: str) -> Iterator[str]:
    """The echo listener as a process of its own, which ends with its standard input."""
    with subprocess.Popen(
        [sys.executable, str(_LISTENER), form], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield f"ws://127.0.0.1:{int(process.stdout.readline())}/ws"
        finally:
            process.communicate(timeout=10)
    if process.returncode:
        raise RuntimeError(f"the echo listener ended with {process.returncode}")
