"""`kite chaos`: break a Kite on purpose, and see whether it keeps what it promises."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import bad_value, exclusive, positive_seconds
from kite.errors import ConfigError
from kite.locale import _

if TYPE_CHECKING:
    from kite.chaos.arena import Arena
    from kite.chaos.patient import Patient
    from kite.chaos.trial import Findings, Orders

KINDS = (
    "kill",
    "term",
    "stop",
    "core",
    "launcher",
    "request",
    "rescan",
    "disk",
    "clock",
    "forks",
    "suspend",
)
_LARGEST_SEED = (1 << 63) - 1


def _kinds(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return KINDS
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names or ("",):
        if name not in KINDS:
            raise bad_value(ctx, parameter, name, ", ".join(KINDS))
    return tuple(dict.fromkeys(names))


def _seed(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or int(value) > _LARGEST_SEED:
        raise bad_value(ctx, parameter, value, _("a whole number"))
    return int(value)


@click.command(
    cls=Verb,
    help=_(
        "Break a Kite on purpose: kill, stop and hinder its processes at random, by a seed, and"
        " look from outside whether it keeps what it promises. It is a throw-away Kite with a"
        " system of its own, or with a copy of your project."
    ),
)
@click.option(
    "--seed",
    callback=_seed,
    metavar="N",
    help=_("repeat the faults of an earlier run (default: a new seed, which is printed)"),
)
@click.option(
    "--seconds",
    callback=positive_seconds,
    default="60",
    show_default=True,
    metavar="SECONDS",
    help=_("how long rounds of faults are begun"),
)
@click.option(
    "--faults",
    callback=_kinds,
    metavar="KIND,…",
    help=_("only these: {kinds}").format(kinds=", ".join(KINDS)),
)
@click.option(
    "--project",
    "copied",
    metavar="DIR",
    help=_("break a copy of this project instead of the system that comes with Kite"),
)
@click.option(
    "--live",
    is_flag=True,
    help=_("break the Kite that runs in this project; its files are left alone"),
)
@click.option("--yes", is_flag=True, help=_("with --live: you mean it"))
@click.option("--keep", is_flag=True, help=_("keep the throw-away directory in any case"))
@click.option("-v", "--verbose", is_flag=True, help=_("show every fault"))
@click.pass_obj
def chaos(
    session: Session,
    *,
    seed: int | None,
    seconds: float,
    faults: tuple[str, ...],
    copied: str | None,
    live: bool,
    yes: bool,
    keep: bool,
    verbose: bool,
) -> int:
    from kite.chaos.arena import Arena
    from kite.chaos.patient import Patient
    from kite.chaos.plan import Kind
    from kite.chaos.trial import Orders
    from kite.model.workspace import project_dir

    exclusive(click.get_current_context(), "live", "copied")
    orders = Orders(
        seed=secrets.randbelow(1 << 32) if seed is None else seed,
        seconds=seconds,
        kinds=tuple(Kind(name) for name in faults),
        is_live=live,
    )
    again = _again(orders, copied)
    report.say(_("seed {seed}; to repeat it: {command}").format(seed=orders.seed, command=again))
    if live:
        control = session.control()
        if not yes:
            raise ConfigError("chaos_unconfirmed", command="kite chaos", project=control.project)
        patient = Patient(Path(control.project), control.instance_dir, session.environ)
        findings, _kept = _try(orders, patient, None, keep=False, verbose=verbose)
        return _tell(session, findings, again, None)
    arena = Arena(project_dir(copied) if copied else None)
    report.say(_("in {directory}").format(directory=arena.directory))
    patient = Patient(arena.project, arena.instance_dir, arena.environ)
    findings, is_kept = _try(orders, patient, arena, keep=keep, verbose=verbose)
    return _tell(session, findings, again, arena.directory if is_kept else None)


def _again(orders: Orders, copied: str | None) -> str:
    words = ["kite", "chaos", "--seed", str(orders.seed), "--seconds", f"{orders.seconds:g}"]
    if len(orders.kinds) < len(KINDS):
        words += ["--faults", ",".join(orders.kinds)]
    if copied:
        words += ["--project", copied]
    if orders.is_live:
        words += ["--live", "--yes"]
    return shlex.join(words)


def _try(
    orders: Orders, patient: Patient, arena: Arena | None, *, keep: bool, verbose: bool
) -> tuple[Findings, bool]:
    """Run it; whatever happens, nothing of a throw-away Kite is left alive."""
    from kite.chaos.trial import Trial

    tell = report.say if verbose else _silence
    is_kept = True

    async def run() -> Findings:
        trial = Trial(orders, patient, arena, say=report.say, tell=tell)
        try:
            return await trial.run()
        finally:
            if arena is not None:
                trial.end_all()

    try:
        findings = asyncio.run(run())
        is_kept = keep or bool(findings.violations)
    except KeyboardInterrupt:
        is_kept = keep
        raise
    finally:
        if arena is not None and is_kept:
            arena.keep()
            report.say(_("kept: {directory}").format(directory=arena.directory))
        elif arena is not None:
            arena.remove()
    return findings, is_kept


def _silence(_line: str) -> None:
    pass


def _tell(session: Session, findings: Findings, again: str, kept: Path | None) -> int:
    status = 1 if findings.violations else 0
    if session.wants_json:
        report.document(_document(findings, again, kept))
        return status
    if findings.left_out:
        report.say(_("not possible here: {kinds}").format(kinds=", ".join(findings.left_out)))
    print(
        _("{faults} faults in {rounds} rounds, {lives} lives, {looks} looks").format(
            faults=findings.faults,
            rounds=len(findings.rounds),
            lives=findings.lives,
            looks=findings.looks,
        )
    )
    color = terminal.wants_color(sys.stdout, os.environ)
    if not findings.violations:
        print(terminal.paint(_("every promise was kept"), "green", color=color))
        return status
    for violation in findings.violations:
        print(terminal.paint(f"{violation.invariant}: ", "red", color=color) + violation.text)
    print(_("to repeat it: {command}").format(command=again))
    return status


def _document(findings: Findings, again: str, kept: Path | None) -> dict[str, Any]:
    return {
        "seed": findings.seed,
        "command": again,
        "kept": str(kept) if kept else None,
        "faults": findings.faults,
        "rounds": findings.rounds,
        "looks": findings.looks,
        "lives": findings.lives,
        "runs": findings.runs,
        "left_out": findings.left_out,
        "violations": [
            {"invariant": violation.invariant, "text": violation.text}
            for violation in findings.violations
        ],
    }
