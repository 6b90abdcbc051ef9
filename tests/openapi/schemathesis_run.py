"""One run of schemathesis in a process of its own: its plug-ins and warnings are not this suite's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

EXAMPLES = int(os.environ.get("KITE_EXAMPLES", "10"))
SEED = 1


def run(
    document: dict[str, Any],
    url: str,
    token: str,
    directory: Path,
    *,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
    lenient: dict[str, tuple[str, ...]] | None = None,
    names: Iterable[str],
    phases: str = "examples,coverage,fuzzing",
) -> str:
    """Everything that it asks has an answer as the document says; what it printed.

    Args:
        document: what the interface promises.
        url: where it is.
        token: who asks.
        directory: an empty one.
        only: ids of the operations that are asked; all where there are none.
        without: ids of those that are not.
        lenient: by id of an operation, checks that mean nothing there.
        names: what stands in a path; where something is only read any text at all, too.
        phases: of schemathesis.

    Raises:
        AssertionError: there was a failure; it has what was printed.
    """
    directory.mkdir()
    file, config = directory / "document.json", directory / "schemathesis.toml"
    file.write_text(json.dumps(_with_names(document, list(names))), encoding="utf-8")
    config.write_text(_config(token, lenient or {}), encoding="utf-8")
    chosen = [f"--include-operation-id={each}" for each in only]
    chosen += [f"--exclude-operation-id={each}" for each in without]
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", str(file),
        "--url", url, "--phases", phases,
        "--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-deterministic",
        "--continue-on-failure", "--no-color",
        "--suppress-health-check", "all", "--request-timeout", "30", "--warnings", "off", *chosen,
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=600, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def _config(token: str, lenient: dict[str, tuple[str, ...]]) -> str:
    lines = ["max-stream-events = 1", f'headers = {{ Authorization = "Bearer {token}" }}']
    for name, checks in lenient.items():
        lines += ["[[operations]]", f'include-operation-id = "{name}"']
        lines += [f"checks.{check}.enabled = false" for check in checks]
    return "\n".join(lines) + "\n"


def _with_names(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The same, where a text in a path is one of these; where something is only read, or any."""
    made: dict[str, Any] = json.loads(json.dumps(document))
    for path in made["paths"].values():
        for method, operation in path.items():
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path":
                    own = {"enum": names}
                    is_read = method == "get"
                    parameter["schema"] = {"anyOf": [own, parameter["schema"]]} if is_read else own
    return made
