"""The Watchdog's settings, from the `env` of its manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping

from kite.errors import ConfigError
from kite.extensions.watchdog.core.thresholds import Thresholds

_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_LONGEST = 86_400.0


def thresholds(environ: Mapping[str, str] | None = None) -> Thresholds:
    """How patient the Watchdog is to be.

    Raises:
        ConfigError: `bad_environment`, with the variable and what it may be.
    """
    given = os.environ if environ is None else environ
    default = Thresholds()
    return Thresholds(
        interval=_seconds(given, "WATCHDOG_INTERVAL", default.interval),
        timeout=_seconds(given, "WATCHDOG_TIMEOUT", default.timeout),
        failures=_count(given, "WATCHDOG_FAILURES", default.failures),
        restart_after=_count(given, "WATCHDOG_RESTART_AFTER", default.restart_after),
        busy=_seconds(given, "WATCHDOG_BUSY", default.busy),
        restarts=_choice(given, "WATCHDOG_RESTART", default=default.restarts),
    )


def _seconds(given: Mapping[str, str], name: str, default: float) -> float:
    text = given.get(name, "").strip()
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= _LONGEST:
        raise _wrong(name, text, "seconds from 0.05 to 86400")
    return seconds


def _count(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 1000):
        raise _wrong(name, text, "a whole number from 1 to 1000")
    return int(text)


def _choice(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = given.get(name, "").strip().lower()
    if not text:
        return default
    if text not in _WORDS:
        raise _wrong(name, text, "yes or no")
    return _WORDS[text]


def _wrong(name: str, text: str, expected: str) -> ConfigError:
    return ConfigError("bad_environment", detail=f"{name} is '{text[:40]}', expected {expected}")
