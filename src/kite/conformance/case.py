"""What is tried: a case with its promise, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kite.conformance.stage import Stage

Attempt = Callable[["Stage"], Awaitable[None]]


class Unmet(Exception):  # noqa: N818  (a fact more than a mistake)
    """A promise that was not kept.

    Args:
        expected: what the contract says, in words.
        seen: what there was instead.
        module: whose log tells more, where it is not the one that most cases are about.
    """

    def __init__(self, expected: str, seen: str, *, module: str = "") -> None:
        super().__init__(f"expected {expected}, seen {seen}")
        self.expected = expected
        self.seen = seen
        self.module = module


class Verdict(StrEnum):
    """What came of a case. What a module does not offer has not passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_OFFERED = "not_offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One promise, and how it is tried.

    Args:
        name: `<family>.<case>`.
        promise: one sentence about the module.
        section: of which page of `protocol/` it comes.
        attempt: raises `Unmet` where it is not kept.
        feature: what a module must have declared for this to be tried; empty: every module is.
        vectors: likewise, a file of `protocol/vectors`.
    """

    name: str
    promise: str
    section: str
    attempt: Attempt
    feature: str = ""
    vectors: str = ""

    @property
    def family(self) -> str:
        """The part before the dot."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a case.

    Args:
        expected, seen: why it failed, or (`seen`) was not tried; else empty.
        log: the end of the module's log, where it failed.
        seconds: how long it took.
    """

    case: Case
    verdict: Verdict
    expected: str = ""
    seen: str = ""
    log: tuple[str, ...] = ()
    seconds: float = 0.0


class Family:
    """The cases about one thing, in the order in which they are tried.

    Args:
        name: the part of their names before the dot.
        section: where what they promise is written, unless a case says otherwise.
    """

    def __init__(self, name: str, section: str) -> None:
        self.name = name
        self.cases: list[Case] = []
        self._section = section

    def case(
        self, name: str, promise: str, *, section: str = "", feature: str = ""
    ) -> Callable[[Attempt], Attempt]:
        """Let the decorated function be the attempt of a case."""

        def add(attempt: Attempt) -> Attempt:
            self.cases.append(
                Case(
                    name=f"{self.name}.{name}",
                    promise=promise,
                    section=section or self._section,
                    attempt=attempt,
                    feature=feature,
                )
            )
            return attempt

        return add
