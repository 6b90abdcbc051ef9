"""A module that writes what it is watched for is not restarted without end."""

from __future__ import annotations

from kite.launcher.core.pace import LIMIT, QUIET, WINDOW, Pace, Verdict


def test_changes_restart_until_there_are_too_many_in_a_window() -> None:
    pace = Pace()
    assert {pace.change(float(second)) for second in range(LIMIT)} == {Verdict.RESTART}
    assert pace.change(LIMIT) is Verdict.SUSPEND
    assert pace.change(LIMIT + 1) is Verdict.IGNORE


def test_a_person_who_saves_now_and_then_is_never_suspended() -> None:
    pace = Pace()
    every = WINDOW / LIMIT
    assert {pace.change(number * every) for number in range(200)} == {Verdict.RESTART}


def test_after_a_while_without_changes_they_restart_again() -> None:
    pace = Pace()
    for second in range(LIMIT + 1):
        pace.change(float(second))
    last = LIMIT + QUIET - 1
    assert pace.change(last) is Verdict.IGNORE, "each change begins the quiet anew"
    assert pace.change(last + QUIET - 1) is Verdict.IGNORE
    assert pace.change(last + 2 * QUIET) is Verdict.RESTART
    assert pace.change(last + 2 * QUIET + 1) is Verdict.RESTART
