"""`kite graph`: who waits for whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.graphing.map import Map
from kite.cli.names import complete
from kite.cli.session import Session
from kite.errors import RequestError, Unavailable
from kite.locale import _

FORMATS = ("text", "dot", "mermaid", "json")


@click.command(
    cls=Verb,
    help=_(
        "Draw who waits for whom, by layers: with names, what those depend on and who depends on"
        " them. From the manifests, with the states of a running Kite; works when Kite is down, too."
    ),
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help=_("as what"))
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete)
@click.pass_obj
def graph(session: Session, form: str, names: tuple[str, ...]) -> None:
    from kite.cli.graphing.map import around, map_of
    from kite.launcher.discovery import scan
    from kite.model.project import read_project

    project = session.project_dir()
    drawn = map_of(scan(project, read_project(project)), _records(session))
    known = {point.name for point in drawn.points}
    for name in names:
        if name not in known:
            raise RequestError("unknown_module", module=name)
    if names:
        drawn = around(drawn, names)
    if session.wants_json or form == "json":
        report.document(document(drawn))
        return
    report.data("\n".join(_drawn(drawn, form)))


def _drawn(drawn: Map, form: str) -> list[str]:
    from kite.cli.graphing import drawings

    if form == "dot":
        return drawings.dot(drawn)
    if form == "mermaid":
        return drawings.mermaid(drawn)
    columns = report.stdout_columns()
    return drawings.text(drawn, color=report.stdout_color(), columns=columns)


def document(drawn: Map) -> dict[str, Any]:
    """The document of `--json`."""
    return {
        "running": drawn.running,
        "modules": [asdict(point) for point in drawn.points],
        "cycles": [list(cycle) for cycle in drawn.cycles],
        "missing": [{"name": name, "needed_by": by} for name, by in drawn.missing.items()],
    }


def _records(session: Session) -> dict[str, dict[str, Any]] | None:
    """The modules of the running Launcher, or None: it is down."""
    try:
        told = session.control().get("/launcher/modules").json()
    except Unavailable as away:
        if away.code not in ("not_running", "gone"):
            raise
        return None
    return {str(record["name"]): record for record in told["modules"]}
