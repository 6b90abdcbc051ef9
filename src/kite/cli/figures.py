"""Figures as people read them: counts, rates, sizes, spans of time. Pure."""

from __future__ import annotations

import math

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def count(number: int) -> str:
    """A whole number with a comma for each thousand: `12,345`."""
    return f"{number:,}"


def rate(number: float) -> str:
    """So many a second: `0`, `0.25`, `3.4`, `120`, `12,345`."""
    if number == 0:
        return "0"
    if number < 1:
        return f"{number:.2f}"
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def size(number: float) -> str:
    """Bytes: `0 B`, `900 B`, `1.5 KiB`, `120 MiB`."""
    power = 0
    while round(number) >= 1000 and power < len(_SIZES) - 1:
        number /= _STEP
        power += 1
    shown = f"{number:.1f}" if power and number < 100 else f"{number:.0f}"
    return f"{shown} {_SIZES[power]}"


def span(seconds: float) -> str:
    """A span of time in three digits: `12.3 µs`, `4.56 ms`, `1.23 s`, `75 s`."""
    if seconds <= 0:
        return "0 s"
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds)} s"


def _three(number: float) -> str:
    digits = max(0, 2 - math.floor(math.log10(number))) if number else 0
    return f"{number:.{min(digits, 2)}f}"


def middle(sorted_numbers: list[float]) -> float:
    """The median of numbers in ascending order."""
    half, odd = divmod(len(sorted_numbers), 2)
    if odd:
        return sorted_numbers[half]
    return (sorted_numbers[half - 1] + sorted_numbers[half]) / 2
