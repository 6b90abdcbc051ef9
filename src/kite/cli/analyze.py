"""`kite analyze`: what the start-up waited for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.startup.chain import Link, critical_chain
from kite.cli.startup.timeline import Timeline, timeline
from kite.errors import Unavailable
from kite.locale import _

VIEWS = ("chain", "blame", "plot")
WIDTH = 100
"""Columns of a chart where there is no terminal."""


@click.command(
    cls=Verb,
    help=_(
        "Show what the newest start of Kite waited for: the critical chain (default), who took"
        " longest (blame), or a chart (plot). Works when Kite is down, too."
    ),
)
@click.argument("view", type=click.Choice(VIEWS), default="chain")
@click.pass_obj
def analyze(session: Session, view: str) -> None:
    from kite.cli.lifecycle_log import newest_start, steps

    line = timeline(newest_start(steps(session.known_instance_dir())))
    if line is None:
        raise Unavailable("never_ran", project=str(session.project_dir()))
    links = critical_chain(line)
    if session.wants_json:
        report.document(document(line, links))
        return
    report.data("\n".join(_shown(line, links, view)))


def _shown(line: Timeline, links: list[Link], view: str) -> list[str]:
    from kite.cli.startup import drawing

    color = report.stdout_color()
    columns = report.stdout_columns()
    match view:
        case "blame":
            return drawing.blame_lines(line, color=color, columns=columns)
        case "plot":
            return drawing.plot_lines(line, color=color, columns=columns or WIDTH)
        case _:
            chain = drawing.chain_lines(links, color=color)
            return [*drawing.summary(line, color=color), "", *chain]


def document(line: Timeline, links: list[Link]) -> dict[str, Any]:
    """The document of `--json`: seconds since `began_at`, to the millisecond."""
    modules = [
        {**_rounded(asdict(each)), "starting": _round(each.starting), "is_core": each.is_core}
        for each in line.modules.values()
    ]
    return {
        "began_at": line.began_at,
        "doors_at": _round(line.doors_at),
        "settled_at": _round(line.settled_at),
        "seconds": _round(line.seconds),
        "modules": modules,
        "chain": [_rounded(asdict(link)) for link in links],
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _round(value) for key, value in values.items()}


def _round(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
