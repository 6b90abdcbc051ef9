"""`kite enable` and `kite disable`: the config state, written where it takes effect."""

from __future__ import annotations

from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import module_path
from kite.cli.names import complete
from kite.cli.operate import WAIT_SECONDS
from kite.cli.session import Session
from kite.errors import KiteError
from kite.locale import _


def _options(function: Any) -> Any:
    wait = click.option(
        "--wait/--no-wait", default=True, help=_("wait until it is done (default), or do not")
    )
    names = click.argument(
        "names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete
    )
    return names(wait(click.pass_obj(function)))


@click.command(
    cls=Verb,
    help=_("Let modules start with Kite from now on, and start them. Written into the manifest."),
)
@_options
def enable(session: Session, names: tuple[str, ...], wait: bool) -> int:
    return _set_state(session, names, "enabled", wait=wait)


@click.command(
    cls=Verb,
    help=_("Keep modules from starting from now on, and stop them. Written into the manifest."),
)
@_options
def disable(session: Session, names: tuple[str, ...], wait: bool) -> int:
    return _set_state(session, names, "disabled", wait=wait)


def _set_state(session: Session, names: tuple[str, ...], state: str, *, wait: bool) -> int:
    control = session.control()
    status, changes = 0, []
    for name in dict.fromkeys(names):
        path = module_path(name, "/state?wait=1" if wait else "/state")
        try:
            change = control.put(path, {"state": state}, timeout=WAIT_SECONDS).json()
        except KiteError as error:
            report.error(error, wants_json=session.wants_json)
            status = status or report.exit_status(error)
            continue
        changes.append({"name": name, **change})
        if not session.wants_json:
            print(_line(name, change), flush=True)
    if session.wants_json:
        report.document({"modules": changes})
    return status


def _line(name: str, change: dict[str, Any]) -> str:
    old, new = change.get("old"), change.get("new")
    if old == new:
        return _("{name}: {state} already").format(name=name, state=new)
    text = _("{name}: {old} before, {new} now, in {file}")
    return text.format(name=name, old=old, new=new, file=change.get("file"))
