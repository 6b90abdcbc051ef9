"""`kite conformance` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema

from kite.launcher import platform_linux
from kite.testing.census import command_line, is_alive
from kite.testing.system import Outcome, System

SCHEMAS = Path(__file__).resolve().parents[3] / "protocol" / "schemas"
DOCUMENT = json.loads((SCHEMAS / "cli-conformance.schema.json").read_text(encoding="utf-8"))


def typed(folder: Path, *words: str, status: int = 0, **environ: str) -> Outcome:
    """`kite conformance WORDS` in an empty home; nothing of it is left, which is checked.

    Args:
        folder: an existing directory.
        environ: further environment.
    """
    with System(folder, extensions=False, environ=environ) as system:
        outcome = system.kite("conformance", *words, status=status, timeout=300.0)
        assert not list((folder / "tmp").glob("kite-conformance-*")), "its directory is left"
    assert not at_home_in(folder)
    return outcome


def at_home_in(folder: Path) -> dict[int, str]:
    """The living processes whose environment names anything below a folder; their command lines."""
    found = {}
    for pid in platform_linux.pids():
        values = (platform_linux.environment(pid) or {}).values()
        if is_alive(pid) and any(str(folder) in value for value in values):
            found[pid] = command_line(pid)
    return found


def document(outcome: Outcome) -> dict[str, Any]:
    """What it printed with --json, which fits its schema."""
    found: dict[str, Any] = json.loads(outcome.out)
    jsonschema.validate(found, DOCUMENT)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    """By the name of the case."""
    return {case["name"]: case["verdict"] for case in found["cases"]}
