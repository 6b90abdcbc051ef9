"""A promise that was not kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing that may not be.

    Args:
        invariant: the name of the promise, one of docs/how-to/test-with-chaos.md.
        text: what was seen, with names and pids.
        about: what it is about: the same is told once.
    """

    invariant: str
    text: str
    about: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Equal for what is told once."""
        return self.invariant, self.about or self.text
