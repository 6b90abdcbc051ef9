"""Keeps a module's secrets out of what is kept and shown of its words."""

from __future__ import annotations

import re
from collections.abc import Iterable

SHOWN = "•••"
LEAST = 8
"""Characters; a shorter value would be found in words that are none of its own."""


class Mask:
    """Replaces secrets where they stand literally.

    Args:
        secrets: their values. One of several lines (a key file) is covered line by line.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words = {line.strip() for value in secrets for line in value.splitlines()}
        # The longest first: one may be the beginning of another.
        chosen = sorted((word for word in words if len(word) >= LEAST), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, chosen))) if chosen else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        return text if self._pattern is None else self._pattern.sub(SHOWN, text)

    def lines(self, lines: list[str]) -> list[str]:
        """Lines without secrets; the very list where there is nothing to cover."""
        return lines if self._pattern is None else [self.text(line) for line in lines]


NO_SECRETS = Mask(())
"""Of a module that has none."""
