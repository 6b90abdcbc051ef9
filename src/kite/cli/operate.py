"""`kite start`, `kite stop`, `kite restart`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import Control, Exchange, module_path
from kite.cli.names import complete
from kite.cli.session import Session
from kite.errors import ConfigError, KiteError
from kite.launcher.progress import state_word
from kite.locale import _

WAIT_SECONDS = 75.0
"""The Launcher answers within 60 s that nothing was settled (CONTRACT, section 7)."""


def _options(function: Any) -> Any:
    reason = click.option("--reason", metavar="TEXT", help=_("what to say as the reason"))
    wait = click.option(
        "--wait/--no-wait", default=True, help=_("wait until it is done (default), or do not")
    )
    names = click.argument(
        "names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete
    )
    return names(wait(reason(click.pass_obj(function))))


@click.command(
    cls=Verb, help=_("Start modules and what they depend on; wait until they are ready.")
)
@_options
def start(session: Session, names: tuple[str, ...], wait: bool, reason: str | None) -> int:
    return operate(session, "start", names, wait=wait, reason=reason)


@click.command(cls=Verb, help=_("Stop modules; wait until nothing of them is left."))
@_options
def stop(session: Session, names: tuple[str, ...], wait: bool, reason: str | None) -> int:
    return operate(session, "stop", names, wait=wait, reason=reason)


@click.command(cls=Verb, help=_("Stop and start modules; wait until they are ready again."))
@click.option(
    "--rolling",
    is_flag=True,
    help=_("each new process is ready before the old one goes; one that fails changes nothing"),
)
@_options
def restart(
    session: Session, names: tuple[str, ...], wait: bool, reason: str | None, rolling: bool
) -> int:
    return operate(session, "restart", names, wait=wait, reason=reason, rolling=rolling)


def operate(
    session: Session,
    verb: str,
    names: tuple[str, ...],
    *,
    wait: bool,
    reason: str | None = None,
    rolling: bool = False,
) -> int:
    """Ask for the operation on every module at once, then wait for each; the first failure's status."""
    for name in names:
        if not name.strip(".") or "/" in name:  # it would be another path of the API
            raise ConfigError("no_module_name", name=name)
    control = session.control()
    said: dict[str, object] = {"reason": reason} if reason else {}
    body = {**said, "rolling": True} if rolling else said or None
    path = f"/{verb}?wait=1" if wait else f"/{verb}"
    under_way = [
        (name, _begin(control, module_path(name, path), body)) for name in dict.fromkeys(names)
    ]
    return finish(session, under_way, verb=verb if wait else "")


def finish(
    session: Session, under_way: list[tuple[str, Exchange | KiteError]], *, verb: str
) -> int:
    """Take the answers of operations in the order they were asked, and report each."""
    status, records = 0, []
    for name, exchange in under_way:
        try:
            if isinstance(exchange, KiteError):
                raise exchange
            record = exchange.finish().json()
            records.append(record)
            if not session.wants_json:
                print(outcome(name, record, verb), flush=True)
        except KiteError as error:
            report.error(error, wants_json=session.wants_json)
            status = status or report.exit_status(error)
    if session.wants_json:
        report.document({"modules": records})
    return status


def outcome(name: str, record: Mapping[str, Any], verb: str) -> str:
    """One line about what has become of a module. `verb` is empty when nobody waited."""
    state, pid = str(record.get("actual_state")), record.get("pid")
    if not verb:
        return _("{name}: asked; it is {state} now").format(name=name, state=state_word(state))
    if pid:
        return _("{name}: {state}, pid {pid}").format(name=name, state=state_word(state), pid=pid)
    return _("{name}: {state}").format(name=name, state=state_word(state))


def _begin(control: Control, path: str, body: Any) -> Exchange | KiteError:
    try:
        return control.begin("POST", path, body, timeout=WAIT_SECONDS)
    except KiteError as error:
        return error
