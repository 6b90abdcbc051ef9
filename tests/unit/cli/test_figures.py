"""Figures for people."""

from __future__ import annotations

import pytest

from kite.cli.figures import count, middle, rate, size, span


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (150 << 20, "150 MiB"),
     (1 << 60, "1,048,576 TiB".replace(",", ""))],
)  # fmt: skip
def test_sizes(number: float, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0"), (0.2, "0.20"), (3.44, "3.4"), (120.4, "120"), (1234567.8, "1,234,568")],
)
def test_rates(number: float, shown: str) -> None:
    assert rate(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (1.234e-5, "12.3 µs"), (0.00456, "4.56 ms"), (0.9996, "1.00 s"), (75.2, "75.2 s"),
     (3600, "3600 s")],
)  # fmt: skip
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_count_and_median() -> None:
    assert count(12345) == "12,345"
    assert middle([1.0, 2.0, 9.0]) == 2.0
    assert middle([1.0, 2.0]) == 1.5
