"""`kite enable` and `kite disable`: the config state, written where it takes effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import module_path
from kite.cli.names import complete
from kite.cli.operate import WAIT_SECONDS
from kite.cli.session import Session
from kite.errors import KiteError, Unavailable
from kite.locale import _

Change = Callable[[str, str], dict[str, Any]]
"""Takes a module and its new state; what was changed, as the API says it."""


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
    help=_(
        "Let modules start with Kite from now on, and start them. Written into the manifest;"
        " while Kite is down, this takes effect at its next start."
    ),
)
@_options
def enable(session: Session, names: tuple[str, ...], wait: bool) -> int:
    return _set_state(session, names, "enabled", wait=wait)


@click.command(
    cls=Verb,
    help=_(
        "Keep modules from starting from now on, and stop them. Written into the manifest;"
        " while Kite is down, this takes effect at its next start."
    ),
)
@_options
def disable(session: Session, names: tuple[str, ...], wait: bool) -> int:
    return _set_state(session, names, "disabled", wait=wait)


def _set_state(session: Session, names: tuple[str, ...], state: str, *, wait: bool) -> int:
    change_one = _asking(session, wait=wait) or _writing(session)
    status, changes = 0, []
    for name in dict.fromkeys(names):
        try:
            change = change_one(name, state)
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


def _asking(session: Session, *, wait: bool) -> Change | None:
    """The way through the running Launcher, or None when there is none."""
    try:
        control = session.control()
    except Unavailable as away:
        if away.code not in ("not_running", "gone") or _is_starting(session):
            raise
        return None
    ending = "/state?wait=1" if wait else "/state"

    def ask(name: str, state: str) -> dict[str, Any]:
        path = module_path(name, ending)
        change: dict[str, Any] = control.put(path, {"state": state}, timeout=WAIT_SECONDS).json()
        return change

    return ask


def _is_starting(session: Session) -> bool:
    """Whether a Launcher is there that does not answer yet, or no more: it may have looked."""
    from kite.model.instance_lock import holder

    instance = session.instance_dir()
    return instance is not None and holder(instance) is not None


def _writing(session: Session) -> Change:
    """The way without one: into the file, for the next start."""
    from kite.launcher.discovery import scan
    from kite.launcher.state_change import change_state
    from kite.model.project import read_project

    project = session.project_dir()

    def write(name: str, state: str) -> dict[str, Any]:
        # Looked at anew for each: writing to kite.yaml is part of what is looked at.
        change = change_state(
            scan(project, read_project(project)), name, state, project_dir=project
        )
        if change["old"] != change["new"]:
            report.say(_("kite is not running: this takes effect at its next start"))
        return change

    return write


def _line(name: str, change: dict[str, Any]) -> str:
    old, new = change.get("old"), change.get("new")
    if old == new:
        return _("{name}: {state} already").format(name=name, state=new)
    text = _("{name}: {old} before, {new} now, in {file}")
    return text.format(name=name, old=old, new=new, file=change.get("file"))
