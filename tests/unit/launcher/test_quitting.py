"""When a person asks for the end, and asks again."""

from __future__ import annotations

import pytest

from kite.launcher.quitting import SAME_PRESS, Quitter


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def quitter(told: list[str]) -> Quitter:
    return Quitter(lambda: told.append("stop"), lambda: told.append("skip"))


def test_the_first_interrupt_stops_and_the_second_skips_the_waiting(
    quitter: Quitter, told: list[str]
) -> None:
    quitter.interrupt(10.0)
    quitter.interrupt(11.0)

    assert told == ["stop", "skip"]


def test_one_interrupt_that_comes_twice_is_one(quitter: Quitter, told: list[str]) -> None:
    """A whole group was interrupted, and the guard passed its own on."""
    quitter.interrupt(10.0)
    quitter.interrupt(10.0 + SAME_PRESS / 2)

    assert told == ["stop"]


def test_terminating_again_and_again_never_skips_the_waiting(
    quitter: Quitter, told: list[str]
) -> None:
    quitter.terminate(10.0)
    quitter.terminate(20.0)

    assert "skip" not in told


def test_an_interrupt_after_a_termination_skips_the_waiting(
    quitter: Quitter, told: list[str]
) -> None:
    quitter.terminate(10.0)
    quitter.interrupt(12.0)

    assert told == ["stop", "skip"]
