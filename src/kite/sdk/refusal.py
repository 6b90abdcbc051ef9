"""Somebody else's no, as an error that can be raised here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UnsetType

from kite.errors import RequestError, error_kinds


class Refusal(RequestError):  # noqa: N818  (the word of the protocol)
    """A refusal that came over the wire: the Hub's error frame, or the error reply of a module.

    `code` and `params` are the other side's. The message is rendered in the language of this
    process where the other side sent what fills it, else it is the other side's own words.
    """

    def __init__(self, code: str, words: str = "", **params: Any) -> None:
        super().__init__(code, **params)
        self.words = words

    @property
    def message(self) -> str:
        if self.words and not (self.params and self.code in error_kinds()):
            return self.words
        return super().message

    @property
    def hint(self) -> str:
        return super().hint if self.params else ""


def refusal(
    code: str, words: str = "", params: Mapping[str, Any] | UnsetType | None = None
) -> Refusal:
    """The error for a code, its English words and what fills its placeholders (as received)."""
    known = dict(params) if isinstance(params, Mapping) else {}
    # What a stranger sends must not collide with the constructor's own names.
    for taken in ("code", "words", "location", "self"):
        known.pop(taken, None)
    return Refusal(code, words, **{str(name): value for name, value in known.items()})
