"""Tries one case after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from kite.conformance.case import Case, Result, Unmet, Verdict
from kite.conformance.stage import Stage
from kite.errors import KiteError

FIRST: Final = "start.ready"
"""Without it nothing else can be tried."""

_MISSHAPEN: Final = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What looking at an answer ends with that has another shape: strangers write these modules."""

_LINES: Final = 12
_CASE_SECONDS: Final = 300.0


async def trial(stage: Stage, cases: Sequence[Case]) -> AsyncIterator[Result]:
    """The result of each case, as soon as it is there.

    A case that finds the module ill from a former one begins with a restart, so that each failure
    speaks for itself. Where the module never became ready all others fail for that reason.
    """
    first: Result | None = None
    for case in cases:
        if first is not None and first.verdict is Verdict.FAILED:
            seen = f"{FIRST} failed: {first.seen}"
            yield Result(case=case, verdict=Verdict.FAILED, expected="a module", seen=seen)
            continue
        if missing := await _not_offered(stage, case):
            yield Result(case=case, verdict=Verdict.NOT_OFFERED, seen=missing)
            continue
        result = await _try(stage, case)
        if case.name == FIRST:
            first = result
        yield result


async def _try(stage: Stage, case: Case) -> Result:
    began = time.monotonic()
    expected, seen, verdict, module = "", "", Verdict.PASSED, stage.name
    try:
        async with asyncio.timeout(_CASE_SECONDS):
            await case.attempt(stage)
    except Unmet as unmet:
        expected, seen, verdict = unmet.expected, unmet.seen, Verdict.FAILED
        module = unmet.module or module
    except KiteError as failed:
        expected, seen, verdict = "an answer", f"{failed.code}: {failed.message}", Verdict.FAILED
    except _MISSHAPEN as wrong:
        shown = f"{type(wrong).__name__}: {wrong}"
        expected, seen, verdict = "data of the shape that is written", shown, Verdict.FAILED
    except TimeoutError:
        expected, seen, verdict = "an end of it", f"none in {_CASE_SECONDS:g} s", Verdict.FAILED
    except OSError as gone:
        expected, seen, verdict = "a process that is there", str(gone), Verdict.FAILED
    log: list[str] = []
    if verdict is Verdict.FAILED:
        log = stage.ground.log(module).splitlines()[-_LINES:]
    seconds = round(time.monotonic() - began, 3)
    return Result(
        case=case, verdict=verdict, expected=expected, seen=seen, log=tuple(log), seconds=seconds
    )


async def _not_offered(stage: Stage, case: Case) -> str:
    """Why a case is none of this module's; empty where it is one."""
    if not case.feature and not case.vectors:
        return ""
    if stage.declared is None:
        stage.declared = await _declared(stage)
    key, word = ("features", case.feature) if case.feature else ("vectors", case.vectors)
    listed = stage.declared.get(key)
    if isinstance(listed, list) and word in listed:
        return ""
    return f'its registration does not list "{word}" under metadata.conformance.{key}'


async def _declared(stage: Stage) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        return await stage.entry()

    try:
        entry = await stage.until(look, "an entry in the Registry")
    except Unmet:
        return {}
    said = (entry.get("metadata") or {}).get("conformance")
    return said if isinstance(said, dict) else {}
