"""The module under test, as the manifests of a throw-away project describe it. Pure but for looking
which words of the command are files."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kite.errors import ConfigError

NAME: Final = "conformance"

BYSTANDER: Final = "bystander"
"""A module of ours, which is stopped so that others hear of it."""

LAUNCH_SECONDS: Final = 15.0
STOP_SECONDS: Final = 5.0
_GO_BETWEEN: Final = Path(__file__).parent / "go_between.py"
_BYSTANDING: Final = "from kite import Module\n\nModule().run()\n"
_KEPT: Final = ("*.kept", "*.work")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """How the module under test is started, wherever its working directory is.

    Args:
        command: program and arguments.
        home: the home directory that it is to have.
        name: of the module that most cases are about.
    """

    command: tuple[str, ...]
    home: str
    name: str = NAME

    @property
    def guided(self) -> str:
        """The same program as another module, with a go-between that holds its standard input."""
        return f"{self.name}_guided"

    @property
    def narrow(self) -> str:
        """The same program as another module, which may subscribe to nothing."""
        return f"{self.name}_narrow"

    def manifests(self) -> dict[str, dict[str, Any]]:
        """The front matter of its modules, by name."""
        words = [word.replace("$", "$$") for word in self.command]
        guided = [sys.executable, "-S", "-E", str(_GO_BETWEEN), *words]
        calm = {"policy": "never"}
        eager = {"max": 1000, "backoff": {"initial": 0.1, "max": 0.5}}
        return {
            self.name: self._manifest(self.name, words, restart=eager),
            self.guided: self._manifest(self.guided, guided, restart=calm, state="manual"),
            self.narrow: self._manifest(
                self.narrow, words, restart=calm, state="manual", subscribe=[]
            ),
        }

    def _manifest(
        self, name: str, command: list[str], *, subscribe: list[str] | None = None, **keys: Any
    ) -> dict[str, Any]:
        return {
            "command": command,
            "events": {
                "publish": [f"{name}.>", "driver.>", "_reply.>"],
                "subscribe": [f"{name}.>"] if subscribe is None else subscribe,
            },
            "launch": {"timeout": LAUNCH_SECONDS},
            "stop": {"timeout": STOP_SECONDS},
            "env": {"HOME": self.home.replace("$", "$$")},
            **keys,
        }


def bystander() -> tuple[str, dict[str, Any]]:
    """Its program and its front matter."""
    return _BYSTANDING, {"runtime": "python", "state": "manual"}


def settings() -> dict[str, Any]:
    """`kite.yaml` of the throw-away project."""
    return {
        "max_failed_modules": 0,
        "hub": {"streams": {NAME: {"subjects": list(_KEPT)}}},
    }


def resolved(words: Sequence[str], directory: Path, path: str | None) -> tuple[str, ...]:
    """A command that means the same in every working directory.

    Words that name a file or folder below `directory` become absolute; the first one only if it
    has a slash, as a shell would.

    Args:
        path: the `PATH` in which the program is looked for.

    Raises:
        ConfigError: `conformance_no_program`.
    """
    first, *rest = words
    program = _absolute(first, directory) if "/" in first else first
    if shutil.which(program, path=path) is None:
        raise ConfigError("conformance_no_program", program=first)
    return (program, *(_absolute(word, directory) for word in rest))


def _absolute(word: str, directory: Path) -> str:
    # Not resolved: the python of a virtual environment is a link that knows its environment.
    there = directory / word
    return str(there) if word and there.exists() else word
