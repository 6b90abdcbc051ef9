"""The table of phases: complete, closed, and in agreement with what the protocol says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from supervised import plan

from kite.errors import InternalError
from kite.launcher.core.lifecycle import LIVE, MOVES, STOPPING, After, ModuleState, Phase, Stop
from kite.launcher.core.plan import Desired

STATES = json.loads((Path(__file__).parents[4] / "protocol" / "states.json").read_text())["actual"]


def state(phase: Phase, after: After | None = None) -> ModuleState:
    stop = None if after is None else Stop(reason="x", timeout=1.0, after=after)
    return ModuleState(plan=plan("m"), desired=Desired(running=True), phase=phase, stop=stop)


def names(phase: Phase) -> set[str]:
    """The words for a phase, whatever is to follow."""
    return {state(phase, after).actual_state for after in (None, *After)}


def test_every_phase_has_its_row_and_leads_somewhere() -> None:
    assert set(MOVES) == set(Phase)
    for phase, nexts in MOVES.items():
        assert nexts <= set(Phase)
        assert nexts
        assert phase not in nexts, "to stay is no move"


def test_every_phase_is_reached_and_every_phase_comes_to_rest() -> None:
    for start in Phase:
        seen, todo = {start}, [start]
        while todo:
            for following in MOVES[todo.pop()] - seen:
                seen.add(following)
                todo.append(following)
        assert seen == set(Phase), f"from {start}"


@pytest.mark.parametrize(("here", "there"), list(itertools.product(Phase, Phase)))
def test_a_move_is_made_or_refused_by_name(here: Phase, there: Phase) -> None:
    module = state(here)
    module.deadline = 5.0
    if there in MOVES[here]:
        module.move(there, deadline=7.0)
        assert (module.phase, module.deadline) == (there, 7.0)
        return
    with pytest.raises(InternalError) as refused:
        module.move(there)
    assert all(word in str(refused.value) for word in ("'m'", here.value, there.value))
    assert (module.phase, module.deadline) == (here, 5.0)


def test_a_move_without_a_deadline_forgets_the_old_one() -> None:
    module = state(Phase.BACKING_OFF)
    module.deadline = 5.0
    module.move(Phase.WAITING)
    assert module.deadline is None


def test_only_what_is_being_swept_comes_to_rest_from_a_process() -> None:
    """Nothing of a life is left when it is over: every way out of LIVE leads through the sweep."""
    for phase in LIVE - {Phase.SWEEPING}:
        outside = MOVES[phase] - LIVE
        assert outside <= ({Phase.FAILED} if phase is Phase.STARTING else set()), phase
    assert STOPPING < LIVE


def test_the_words_are_the_protocols() -> None:
    assert set().union(*(names(phase) for phase in Phase)) == set(STATES["states"])
    assert state(Phase.STOPPED).actual_state == STATES["initial"]


def test_every_move_is_in_the_protocols_table() -> None:
    allowed = {(row["from"], row["to"]) for row in STATES["transitions"]}
    for here, nexts in MOVES.items():
        for there in nexts:
            # What is to follow is known on both sides; a crash that is swept begins without a stop.
            for after in (None, *After):
                if there is Phase.SWEEPING and here in STOPPING and after is None:
                    continue  # what is being ended has a stop
                if here is Phase.FAILED and after in (None, After.JUDGE):
                    continue  # what is left of a life is swept again on request only
                before, then = state(here, after).actual_state, state(there, after).actual_state
                if here in (Phase.STARTING, Phase.RUNNING) and there in STOPPING:
                    before = here.value
                assert before == then or (before, then) in allowed, (here, there, after)


def test_a_stop_of_what_is_swept_after_a_crash_is_in_the_protocols_table() -> None:
    swept = state(Phase.SWEEPING)
    before = swept.actual_state
    swept.stop = Stop(reason="stop_requested", timeout=1.0, after=After.STOP)
    rows = {(row["from"], row["to"]) for row in STATES["transitions"]}
    assert (before, swept.actual_state) == ("backing_off", "stopping")
    assert ("backing_off", "stopping") in rows


@pytest.mark.parametrize(
    ("phase", "after", "word"),
    [
        (Phase.ASKED, After.STOP, "stopping"),
        (Phase.CLEANING, After.START, "stopping"),
        (Phase.ENDING, After.JUDGE, "stopping"),
        (Phase.SWEEPING, After.STOP, "stopping"),
        (Phase.SWEEPING, After.START, "stopping"),
        (Phase.SWEEPING, After.JUDGE, "backing_off"),
        (Phase.SWEEPING, None, "backing_off"),
    ],
)
def test_what_people_see_of_an_end(phase: Phase, after: After | None, word: str) -> None:
    assert state(phase, after).actual_state == word
