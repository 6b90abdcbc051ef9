"""`kite check`: every mistake in every manifest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.errors import ConfigError
from kite.locale import _

WRONG = 2


@click.command(
    cls=Verb,
    help=_(
        "Find every mistake in kite.yaml and in every manifest, with file and line."
        " Status 2 when there is one. Needs no running Kite and starts nothing."
    ),
)
@click.pass_obj
def check(session: Session) -> int:
    from kite.launcher.discovery import check_project

    project = session.project_dir()
    mistakes = check_project(project)
    if session.wants_json:
        report.document({"mistakes": [_as_json(each) for each in mistakes]})
    else:
        for each in mistakes:
            print("\n".join(lines(each)))
        count = len(mistakes)
        text = _("mistakes found: {count}") if mistakes else _("no mistakes in {project}")
        report.say(text.format(count=count, project=project))
    return WRONG if mistakes else 0


def lines(mistake: ConfigError) -> list[str]:
    """`file:line: message`, and the hint below it."""
    where = ""
    if mistake.location:
        place = mistake.location
        where = _shown(place.file) + (f":{place.line}" if place.line else "") + ": "
    text = [f"{where}{mistake.message}"]
    return [*text, f"    {mistake.hint}"] if mistake.hint else text


def _as_json(mistake: ConfigError) -> dict[str, Any]:
    place = mistake.location
    return {
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "code": mistake.code,
        "message": mistake.message,
        "hint": mistake.hint,
    }


def _shown(file: str) -> str:
    """The path from here when the file lies below, else whole."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") or not Path(file).is_absolute() else relative
