"""`kite rescan`: look for modules again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from kite.cli import check, report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.errors import ConfigError, Location, error_kinds
from kite.launcher.progress import error_text
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
    for line in problems(errors):
        report.say(line)
    if not any(found.get(key) for key in ("added", "changed", "removed")):
        print(_("nothing has changed"))


def problems(errors: Any) -> list[str]:
    """The mistakes that a scan found, each as `kite check` shows it: its place, and its hint below."""
    if isinstance(errors, Mapping):
        return [f"{name}: {error_text(each)}" for name, each in errors.items()]
    return [line for each in errors for line in _problem(each)]


def _problem(error: Any) -> list[str]:
    if not isinstance(error, Mapping):
        return [str(error)]
    code, params, location = (error.get(key) for key in ("code", "params", "location"))
    place = _place(location) if isinstance(location, str) else None
    if code in error_kinds() and isinstance(params, Mapping):
        named = {str(key): value for key, value in params.items()}
        return check.lines(ConfigError(code, location=place, **named))
    # A newer Launcher's: its own words.
    return [": ".join(filter(None, [str(error.get("name") or location or ""), error_text(error)]))]


def _place(text: str) -> Location:
    file, _colon, line = text.rpartition(":")
    if file and line.isascii() and line.isdigit():
        return Location(file=file, line=int(line))
    return Location(file=text)


def _name(value: Any) -> str:
    return str(value.get("name")) if isinstance(value, Mapping) else str(value)
