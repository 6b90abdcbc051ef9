"""What everybody supervises: shell scripts that say `up` and become a `sleep` with a number of its own.

The number is how a process is found from outside, whoever started it and whatever environment it
has. It is an argument of `sleep`, so a supervisor's wrapper, or the shell before its `exec`, is
not taken for the program.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TREE = """#!/bin/sh
(trap '' TERM; exec sleep {child}) &
(env -i /usr/bin/setsid /bin/sleep {daemon} &)
echo up
exec sleep {leader}
"""
"""A leader that ends on SIGTERM, a child in its group that ignores it, and a grandchild forked
twice, in a session of its own, with a cleared environment."""

_SLEEPER = """#!/bin/sh
echo up
exec sleep {leader}
"""

_HOLDER = """#!/bin/sh
(/usr/bin/setsid sleep {child} &)
echo up
exec sleep {leader}
"""
"""A leader, and a grandchild in another session that holds its pipes open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program.

    Args:
        name: letters and digits.
        text: of its script.
        numbers: of its processes, the leader's first.
    """

    name: str
    text: str
    numbers: Sequence[int]

    @property
    def leader(self) -> int:
        return self.numbers[0]

    def write(self, folder: Path) -> Path:
        """Write the script, as `run`; its path."""
        folder.mkdir(parents=True)
        path = folder / "run"
        path.write_text(self.text)
        path.chmod(0o755)
        return path


def sleepers(count: int) -> list[Program]:
    """Programs of one process each."""
    return [_make(f"p{place:02}", _SLEEPER, place, ["leader"]) for place in range(count)]


def tree() -> Program:
    """One of three processes that is hard to end."""
    return _make("tree", _TREE, 0, ["leader", "child", "daemon"])


def holders(count: int) -> list[Program]:
    """Programs of two processes: the second keeps the pipes of the first open."""
    return [_make(f"h{place:02}", _HOLDER, place, ["leader", "child"]) for place in range(count)]


def _make(name: str, text: str, place: int, roles: Sequence[str]) -> Program:
    """Numbers begin with a random one: nobody else's `sleep` is taken for one of these."""
    first = 10**9 + secrets.randbelow(10**6) * 1000 + 10 * place
    numbers = dict(zip(roles, range(first, first + len(roles)), strict=True))
    return Program(name=name, text=text.format(**numbers), numbers=list(numbers.values()))
