"""The command itself: what is shown, wrong use, an interruption, what is left."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from kite.conformance.cases.everything import CASES
from kite.testing.system import System

from .driver import at_home_in, document, typed
from .mutant import PYTHON_MODULE

MODULE = (sys.executable, str(PYTHON_MODULE))
BROKEN = (sys.executable, "-c", "print('no module of Kite'); raise SystemExit(4)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "COMMAND"),
        (("--case", "start"), "COMMAND"),
        (("--case", "strat", "--", "true"), "--case start"),
        (("--case", "quantum", "--", "true"), "--list"),
        (("--timeout", "0", "--", "true"), "--timeout"),
        (("--", "./no-such-program"), "'./no-such-program'"),
        (("no-such-program",), "'no-such-program'"),
    ],
)
def test_wrong_use(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """It is told before anything is begun."""
    outcome = typed(tmp_path, *words, status=2)
    assert said in outcome.err
    assert outcome.out == ""


def test_the_cases_are_listed_and_none_is_tried(tmp_path: Path) -> None:
    """Each with its promise; in JSON with all that is known of it before."""
    lines = typed(tmp_path, "--list").out.splitlines()
    assert [line.split()[0] for line in lines] == [case.name for case in CASES]
    assert all(case.promise in line for case, line in zip(CASES, lines, strict=True))
    found = document(typed(tmp_path, "--list", "--case", "order", "--case", "crash.exit", "--json"))
    names = [case["name"] for case in found["cases"]]
    assert names == ["order.heard", "order.said", "crash.exit"]
    assert "verdict" not in found["cases"][0]


@pytest.mark.slow
def test_a_failure_says_what_was_expected_and_seen(tmp_path: Path) -> None:
    """And where it is written, and how the log ends; what depends on it fails for its sake."""
    words = ("--case", "start.ready", "--case", "order", "--timeout", "20", "--", *BROKEN)
    outcome = typed(tmp_path, *words, status=1)
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["failed", "start.ready"]
    assert lines[1] == "  expected: module.ready in its first life"
    assert '"exit_code": 4' in lines[2]
    assert lines[3] == "  see: protocol/README.md 6"
    assert "no module of Kite" in outcome.out
    assert outcome.out.count("start.ready failed: ") == 2
    assert lines[-1] == "0 passed, 3 failed, 0 not offered"


@pytest.mark.slow
def test_what_is_kept_is_named(tmp_path: Path) -> None:
    """The directory with the logs, which is whoever asked's to remove."""
    found = document(
        typed(
            tmp_path,
            "--case",
            "start.life",
            "--keep",
            "--json",
            "--",
            *MODULE,
            TMPDIR=str(tmp_path),
        )
    )
    assert [case["verdict"] for case in found["cases"]] == ["passed"]
    kept = Path(found["kept"])
    assert "life 1" in (kept / "workspace" / "project" / "logs" / "conformance.log").read_text()
    assert not (kept / "workspace" / "project" / "launcher" / "api.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """No process, no port, no directory: in the midst of a case, and of whatever it has begun."""
    with System(tmp_path, extensions=False) as system:
        process = system.spawn("conformance", "--timeout", "60", "--", *MODULE)
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == ["passed", "start.ready"]
        assert len(at_home_in(tmp_path)) > 4, "the driver, and a Kite with its module"
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert not at_home_in(tmp_path)
        assert not list((tmp_path / "tmp").glob("kite-conformance-*"))


def test_help_is_there_in_both_languages(tmp_path: Path) -> None:
    """The verb is known to the command line."""
    assert "--case" in typed(tmp_path, "--help").out
    assert "一致性" in typed(tmp_path, "--help", KITE_LANG="zh_CN").out
    assert json.loads(typed(tmp_path, "--list", "--json").out)["command"] == []
