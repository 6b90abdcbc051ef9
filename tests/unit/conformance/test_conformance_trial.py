"""What comes of cases, whatever a module does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from kite.conformance.case import Attempt, Case, Result, Unmet, Verdict
from kite.conformance.stage import Stage
from kite.conformance.trial import FIRST, trial
from kite.errors import RequestError


class Log:
    """In the place of the ground: it has logs."""

    def log(self, name: str) -> str:
        return "".join(f"{name} {number}\n" for number in range(20))


class Bare:
    """A stage on which nothing happens, and whose module has registered this."""

    name = "it"

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.ground = Log()
        self.declared: dict[str, Any] | None = None
        self._metadata = metadata

    async def entry(self) -> dict[str, Any]:
        return {"metadata": self._metadata} if self._metadata else {}

    async def until(self, look: Callable[[], Awaitable[Any]], expected: str) -> Any:
        if not (found := await look()):
            raise Unmet(expected, "none")
        return found


def case(name: str, attempt: Attempt, **keys: str) -> Case:
    return Case(name=name, promise="it does", section="README.md", attempt=attempt, **keys)


async def tried(*cases: Case, metadata: dict[str, Any] | None = None) -> list[Result]:
    stage = cast("Stage", Bare(metadata or {}))
    return [result async for result in trial(stage, cases)]


async def kept(_: Stage) -> None:
    pass


def raising(failure: Exception) -> Attempt:
    async def attempt(_: Stage) -> None:
        raise failure

    return attempt


@pytest.mark.parametrize(
    ("failure", "expected", "seen"),
    [
        (Unmet("this", "that"), "this", "that"),
        (RequestError("no_responders", subject="a"), "an answer", "no_responders: "),
        (KeyError("pid"), "shape", "KeyError: 'pid'"),
        (TypeError("no"), "shape", "TypeError: no"),
        (ProcessLookupError(3, "No such process"), "a process", "No such process"),
    ],
)
async def test_a_failure_is_a_result(failure: Exception, expected: str, seen: str) -> None:
    """With the end of the log, and the next case is tried."""
    one, other = await tried(case("a.b", raising(failure)), case("a.c", kept))
    assert one.verdict is Verdict.FAILED
    assert expected in one.expected
    assert seen in one.seen
    assert one.log == tuple(f"it {number}" for number in range(8, 20))
    assert (other.verdict, other.log) == (Verdict.PASSED, ())


async def test_a_case_may_name_another_log() -> None:
    """That of the module which it is about."""
    (result,) = await tried(case("a.b", raising(Unmet("this", "that", module="other"))))
    assert result.log[-1] == "other 19"


async def test_a_defect_of_the_driver_is_none_of_the_module() -> None:
    """What nobody foresaw goes on to whoever can report it."""
    with pytest.raises(NotImplementedError):
        await tried(case("a.b", raising(NotImplementedError())))


async def test_what_is_not_declared_is_not_offered() -> None:
    """And says what is missing; it is neither tried nor passed."""
    cases = [
        case("a.b", raising(Unmet("x", "y")), feature="wings"),
        case("a.c", raising(Unmet("x", "y")), vectors="maps"),
        case("a.d", kept, feature="legs"),
        case("a.e", kept, vectors="charts"),
    ]
    lists = {"features": ["legs"], "vectors": ["charts"]}
    found = await tried(*cases, metadata={"conformance": lists})
    assert [result.verdict.value for result in found] == [
        "not_offered", "not_offered", "passed", "passed",
    ]  # fmt: skip
    assert '"wings"' in found[0].seen
    assert "metadata.conformance.vectors" in found[1].seen


@pytest.mark.parametrize(
    "metadata", [{}, {"conformance": 5}, {"conformance": {"features": "wings"}}]
)
async def test_a_declaration_that_is_none_offers_nothing(metadata: dict[str, Any]) -> None:
    """A text that has the word in it is no list."""
    (result,) = await tried(case("a.b", kept, feature="wings"), metadata=metadata)
    assert result.verdict is Verdict.NOT_OFFERED


async def test_without_a_start_all_others_fail_for_its_sake() -> None:
    """At once, and with its reason."""
    found = await tried(case(FIRST, raising(Unmet("ready", "nothing"))), case("a.b", kept))
    assert [result.verdict for result in found] == [Verdict.FAILED, Verdict.FAILED]
    assert found[1].seen == f"{FIRST} failed: nothing"
