"""Mistakes in files that people write: all of them are collected, not only the first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kite.errors import ConfigError, KiteError, Location


class ConfigErrors(ConfigError):  # noqa: N818  (the many of one ConfigError)
    """Everything that is wrong with one file (or with several that belong together).

    `errors` is never empty and sorted by place; each has a code, a location and a hint of its own.
    """

    errors: tuple[ConfigError, ...]

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(sorted(errors, key=by_place))
        first = self.errors[0]
        super().__init__(
            "config_errors", location=first.location, count=len(self.errors), first=first.message
        )

    @property
    def message(self) -> str:
        """The mistake itself where there is one, else their number and the first."""
        return self.errors[0].message if len(self.errors) == 1 else super().message

    @property
    def hint(self) -> str:
        """The hint of the first mistake."""
        return self.errors[0].hint

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def by_place(error: ConfigError) -> tuple[str, int, int]:
    """Sorts errors as one reads: by file, line and column."""
    place = error.location
    return (place.file, place.line, place.column) if place else ("", 0, 0)


class Mistakes:
    """Collects mistakes while a file is read on to its end."""

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def add(self, code: str, location: Location | None, **params: Any) -> None:
        """Note a mistake with a code of `protocol/errors.json`."""
        self.errors.append(ConfigError(code, location=location, **params))

    def take(self, error: KiteError, location: Location) -> None:
        """Note an error that was raised below, at this place unless it knows its own."""
        if isinstance(error, ConfigErrors):
            self.errors.extend(error.errors)
        else:
            place = error.location or location
            self.errors.append(ConfigError(error.code, location=place, **error.params))

    def settle(self) -> None:
        """Raise `ConfigErrors` if there was a mistake."""
        if self.errors:
            raise ConfigErrors(self.errors)
