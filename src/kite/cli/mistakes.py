"""Mistakes in manifests and in `kite.yaml` as the Launcher tells them, shown as `kite check` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kite.cli import check
from kite.errors import ConfigError, Location, error_kinds
from kite.launcher.progress import error_text


def unlisted(about: Mapping[str, Any]) -> list[str]:
    """What a search found that stands at no module: a name found twice, a source that is missing.

    Args:
        about: the answer of `GET /launcher`.
    """
    return lines(about.get("problems") or [])


def lines(errors: Any) -> list[str]:
    """Each mistake with its place, and its hint below it."""
    if isinstance(errors, Mapping):
        return [f"{name}: {error_text(each)}" for name, each in errors.items()]
    return [line for each in errors for line in _lines(each)]


def _lines(error: Any) -> list[str]:
    if not isinstance(error, Mapping):
        return [str(error)]
    code, params, location = (error.get(key) for key in ("code", "params", "location"))
    place = _place(location) if isinstance(location, str) else None
    if code in error_kinds() and isinstance(params, Mapping):
        named = {str(key): value for key, value in params.items()}
        return check.lines(ConfigError(code, location=place, **named))
    # A newer Launcher's: its own words.
    return [": ".join(filter(None, [str(error.get("name") or location or ""), error_text(error)]))]


def _place(text: str) -> Location:
    file, _colon, line = text.rpartition(":")
    if file and line.isascii() and line.isdigit():
        return Location(file=file, line=int(line))
    return Location(file=text)
