"""Durations and sizes as people write them: `10`, `10s`, `2m`; `1048576`, `512MiB`."""

from __future__ import annotations

import math
import re

MAX_SECONDS = 366 * 86400.0

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT]i?)?B?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_MAX_SIZE = 1 << 62


def seconds(value: object) -> float | None:
    """Seconds of a number, or of a text with a unit; None when it is no duration.

    >>> seconds("2m"), seconds(0.5), seconds("soon")
    (120.0, 0.5, None)
    """
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        result = float(found[1]) * _UNITS[found[2]] if found else math.nan
    elif isinstance(value, int | float) and not isinstance(value, bool):
        result = float(value) if abs(value) <= MAX_SECONDS else math.nan
    else:
        return None
    return result if 0 <= result <= MAX_SECONDS else None


def size(value: object) -> int | None:
    """Bytes of a whole number, or of a text with a unit (`k` is 1000, `Ki` 1024); None when it is
    no size.

    >>> size("512MiB"), size("1kB"), size(True)
    (536870912, 1000, None)
    """
    if isinstance(value, str):
        found = _SIZE.fullmatch(value)
        if not found:
            return None
        unit = found[2] or ""
        factor = (1024 if unit.endswith("i") else 1000) ** _POWERS.get(unit[:1], 0)
        exact = float(found[1]) * factor
        result = round(exact) if exact <= _MAX_SIZE else -1
    elif isinstance(value, int) and not isinstance(value, bool):
        result = value
    else:
        return None
    return result if 0 <= result <= _MAX_SIZE else None
