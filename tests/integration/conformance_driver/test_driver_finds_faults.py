"""A driver that cannot fail is worthless: each fault here is found by the case that is there for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from kite.conformance.candidate import Candidate
from kite.conformance.case import Result, Verdict
from kite.conformance.cases.everything import CASES
from kite.conformance.ground import Ground
from kite.conformance.stage import Stage
from kite.conformance.trial import trial

from .faults import ALONE, TOGETHER
from .mutant import COMPILER, Mutant, compile_objects

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)")

PATIENCE = 5.0
"""Seconds that each fault has to show itself by silence: they all do, so the test takes so long."""

BY_NAME = {case.name: case for case in CASES}
Results = dict[str, Result]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """What came of every mutant's case, all of them modules of one Kite."""
    folder = tmp_path_factory.mktemp("mutants")
    objects = compile_objects(tmp_path_factory.mktemp("objects"))
    candidates = {
        mutant.name: Candidate(
            command=mutant.make(folder / mutant.name, objects), home=str(folder), name=mutant.name
        )
        for mutant in (*ALONE, *TOGETHER)
    }
    with Ground(*candidates.values()) as ground:
        ground.up()
        found = asyncio.run(_try_all(ground, candidates))
    assert not ground.left_behind
    yield found
    assert not ground.directory.exists()


async def _try_all(ground: Ground, candidates: dict[str, Candidate]) -> Results:
    alone = await asyncio.gather(*(_try(ground, candidates[one.name], one) for one in ALONE))
    return dict(zip((one.name for one in ALONE), alone, strict=True)) | {
        one.name: await _try(ground, candidates[one.name], one) for one in TOGETHER
    }


async def _try(ground: Ground, candidate: Candidate, mutant: Mutant) -> Result:
    stage = Stage(ground, candidate, patience=PATIENCE)
    try:
        async for result in trial(stage, [BY_NAME[mutant.case]]):
            return result
        raise AssertionError(f"{mutant.case} has no result")
    finally:
        await stage.close()


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [*ALONE, *TOGETHER], ids=lambda mutant: mutant.name)
def test_the_case_fails_and_says_why(results: Results, mutant: Mutant) -> None:
    """A fault is found, and what is reported names it."""
    result = results[mutant.name]
    assert result.verdict is Verdict.FAILED, result
    assert mutant.says in f"{result.expected}\n{result.seen}", result


def test_every_family_has_a_fault() -> None:
    """No family of cases is there that never failed."""
    families = _families([BY_NAME[one.case].name for one in (*ALONE, *TOGETHER)])
    assert families == _families([case.name for case in CASES])


def _families(names: Sequence[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}
