"""`kite conformance`: whether a module written with some SDK behaves as the contract says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import positive_seconds, unknown
from kite.errors import ConfigError, InternalError
from kite.locale import _

if TYPE_CHECKING:
    from kite.conformance.candidate import Candidate
    from kite.conformance.case import Case, Result
    from kite.conformance.ground import Ground

_STYLES = {"passed": "green", "failed": "red", "not_offered": "dim"}


@click.command(
    cls=Verb,
    help=_(
        "Try whether a module in some language behaves as the contract says. COMMAND starts the"
        " conformance module that is written with the SDK in question; protocol/conformance.md"
        " says what it has to do. It is run in a throw-away Kite."
    ),
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND…")
@click.option(
    "--case",
    "names",
    multiple=True,
    metavar="NAME",
    help=_("only this case, or all of a family such as start; may be given more than once"),
)
@click.option("--list", "is_list", is_flag=True, help=_("show the cases and try none"))
@click.option(
    "--timeout",
    callback=positive_seconds,
    default="10",
    show_default=True,
    metavar="SECONDS",
    help=_("how long anything may take for which the contract gives no time"),
)
@click.option("--keep", is_flag=True, help=_("keep the throw-away directory"))
@click.pass_obj
def conformance(
    session: Session,
    *,
    command: tuple[str, ...],
    names: tuple[str, ...],
    is_list: bool,
    timeout: float,
    keep: bool,
) -> int:
    from kite.conformance.candidate import Candidate, resolved

    cases = chosen(names)
    if is_list:
        return _list(session, cases)
    if not command:
        raise ConfigError("missing_argument", name="COMMAND", command="kite conformance")
    words = resolved(command, Path.cwd(), session.environ.get("PATH"))
    candidate = Candidate(command=words, home=session.environ.get("HOME", ""))
    results, kept = _try(session, candidate, cases, timeout, keep=keep)
    if session.wants_json:
        report.document(document(words, results, kept))
    else:
        _sum_up(results)
    return 1 if any(result.verdict == "failed" for result in results) else 0


def chosen(names: Sequence[str]) -> list[Case]:
    """The cases of these names and families; all of them where none is named.

    Raises:
        ConfigError: `unknown_case`.
    """
    from kite.conformance.cases.everything import CASES, FAMILIES

    known = [*FAMILIES, *(case.name for case in CASES)]
    for name in names:
        if name not in known:
            raise unknown("unknown_case", name, known)
    return [case for case in CASES if not names or {case.name, case.family} & set(names)]


def _list(session: Session, cases: Sequence[Case]) -> int:
    if session.wants_json:
        report.document(document((), [*map(described, cases)], None))
        return 0
    wide = max(len(case.name) for case in cases)
    for case in cases:
        needs = case.feature or case.vectors
        note = "  " + _("(where {name} is declared)").format(name=needs) if needs else ""
        print(f"{case.name:{wide}}  {case.promise}{note}")
    return 0


def _try(
    session: Session, candidate: Candidate, cases: Sequence[Case], timeout: float, *, keep: bool
) -> tuple[list[Result], Path | None]:
    """Run the cases; whatever happens, nothing of the throw-away Kite is left alive."""
    from kite.conformance.ground import Ground

    # Ended in another way than by Ctrl-C the throw-away Kite is taken along, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    ground = Ground(candidate)
    ground.is_kept = keep
    results: list[Result] = []
    wide = max(len(case.name) for case in cases)

    def tell(result: Result) -> None:
        results.append(result)
        if not session.wants_json:
            _show(result, wide)

    try:
        with ground:
            asyncio.run(_run(ground, candidate, cases, timeout, tell))
    finally:
        if keep:
            report.say(_("kept: {directory}").format(directory=ground.directory))
        if ground.left_behind:
            report.say(_("ended by force: {what}").format(what=ground.left_behind))
    return results, ground.directory if keep else None


async def _run(
    ground: Ground,
    candidate: Candidate,
    cases: Sequence[Case],
    timeout: float,
    tell: Callable[[Result], None],
) -> None:
    from kite.conformance.stage import Stage
    from kite.conformance.trial import trial

    outcome = await asyncio.to_thread(ground.up, status=None)
    if outcome.status != 0:
        raise InternalError("conformance_no_kite", detail=outcome.err.strip())
    stage = Stage(ground, candidate, patience=timeout)
    try:
        async for result in trial(stage, cases):
            tell(result)
    finally:
        await stage.close()


def _show(result: Result, wide: int) -> None:
    color = report.stdout_color()
    words = {"passed": _("passed"), "failed": _("failed"), "not_offered": _("not offered")}
    column = max(map(terminal.width, words.values()))
    word = terminal.pad(words[result.verdict], column)
    case = result.case
    lines = [
        f"{terminal.paint(word, _STYLES[result.verdict], color=color)}  {case.name:{wide}}"
        f"  {case.promise}"
    ]
    if result.verdict == "failed":
        lines += [
            _("  expected: {text}").format(text=result.expected),
            _("  seen: {text}").format(text=terminal.clean(result.seen, color=color)),
            _("  see: protocol/{section}").format(section=case.section),
        ]
        if result.log:
            lines.append(_("  its log ends:"))
            lines += terminal.quoted(result.log, most=len(result.log), color=color)
    elif result.verdict == "not_offered":
        lines.append(f"  {result.seen}")
    report.data("\n".join(lines))


def _sum_up(results: Sequence[Result]) -> None:
    counts = counted(results)
    text = _("{passed} passed, {failed} failed, {not_offered} not offered").format(**counts)
    color = terminal.wants_color(sys.stdout, os.environ)
    report.data(terminal.paint(text, "red" if counts["failed"] else "green", color=color))


def counted(results: Sequence[Result]) -> dict[str, int]:
    """How often each verdict was given."""
    verdicts = [result.verdict.value for result in results]
    return {name: verdicts.count(name) for name in _STYLES}


def described(case: Case) -> dict[str, Any]:
    """A case as JSON."""
    return {
        "name": case.name,
        "promise": case.promise,
        "section": case.section,
        "feature": case.feature or None,
        "vectors": case.vectors or None,
    }


def document(
    command: Sequence[str], results: Sequence[Result | dict[str, Any]], kept: Path | None
) -> dict[str, Any]:
    """All of it as JSON; cases that were only listed are dictionaries already."""
    tried = [result for result in results if not isinstance(result, dict)]
    return {
        "command": list(command),
        "kept": str(kept) if kept else None,
        **counted(tried),
        "cases": [
            result
            if isinstance(result, dict)
            else described(result.case)
            | {
                "verdict": result.verdict.value,
                "expected": result.expected,
                "seen": result.seen,
                "log": list(result.log),
                "seconds": result.seconds,
            }
            for result in results
        ],
    }
