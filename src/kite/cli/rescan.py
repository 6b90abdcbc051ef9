"""`kite rescan`: look for modules again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from kite.cli import mistakes, report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.locale import _


@click.command(
    cls=Verb,
    help=_(
        "Look for new, changed and removed modules. New enabled ones start, removed ones stop,"
        " changes take effect at the next start."
    ),
)
@click.pass_obj
def rescan(session: Session) -> None:
    found = session.control().post("/launcher/rescan", timeout=60).json()
    if session.wants_json:
        report.document(found)
        return
    for title, key in ((_("added"), "added"), (_("changed"), "changed"), (_("removed"), "removed")):
        if names := found.get(key):
            print(f"{title}: {', '.join(map(_name, names))}")
    errors = found.get("errors") or []
    for line in mistakes.lines(errors):
        report.say(line)
    if not any(found.get(key) for key in ("added", "changed", "removed")):
        print(_("nothing has changed"))


def _name(value: Any) -> str:
    return str(value.get("name")) if isinstance(value, Mapping) else str(value)
