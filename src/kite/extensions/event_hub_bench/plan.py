"""How long and how much is measured, from the `env` of the manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from kite.errors import ConfigError


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do.

    Args:
        seconds: for all measurements together, about.
        subscribers: of the fan-out.
        size: bytes of data in an event.
        rate: events per second while latency is measured.
    """

    seconds: float = 7.0
    subscribers: int = 8
    size: int = 128
    rate: int = 500

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Plan:
        """Read `environ` (default: the process's own).

        Raises:
            ConfigError: `bad_environment`, with the variable and what it may be.
        """
        given = os.environ if environ is None else environ
        default = cls()
        return cls(
            seconds=_number(given, "BENCH_SECONDS", default.seconds, 0.5, 3600),
            subscribers=int(_number(given, "BENCH_SUBSCRIBERS", default.subscribers, 1, 256)),
            size=int(_number(given, "BENCH_SIZE", default.size, 0, 1_000_000)),
            rate=int(_number(given, "BENCH_RATE", default.rate, 1, 10_000)),
        )


def _number(
    given: Mapping[str, str], name: str, default: float, lowest: float, highest: float
) -> float:
    text = given.get(name, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not lowest <= number <= highest:
        detail = f"{name} is '{text[:40]}', expected a number from {lowest:g} to {highest:g}"
        raise ConfigError("bad_environment", detail=detail)
    return number
