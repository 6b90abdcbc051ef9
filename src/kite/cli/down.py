"""`kite down`: end everything and wait until it is gone."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import Control
from kite.cli.session import Session
from kite.errors import Unavailable
from kite.locale import _

if TYPE_CHECKING:
    from kite.launcher.records import Record

END_SECONDS = 20.0
"""The Launcher is gone within 15 s whatever happens (CONTRACT, section 7)."""


@click.command(
    cls=Verb,
    help=_("Stop all modules and Kite, and wait until nothing of them is left (at most 15 s)."),
)
@click.pass_obj
def down(session: Session) -> int:
    control = session.control()
    until_gone(control)
    left = survivors(control.instance_dir)
    if session.wants_json:
        report.document({"stopped": not left, "survivors": left})
    elif not left:
        report.say(_("Kite has stopped in {project}").format(project=control.project))
    for each in left:
        report.say(_("pid {pid} of module {name} is still there").format(**each))
    return 1 if left else 0


def until_gone(control: Control) -> None:
    """End a Launcher and wait until its process is gone.

    Raises:
        Unavailable: `gone` before it could be asked, `still_stopping` after 20 s.
    """
    pid = control.api.pid
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        raise Unavailable("gone", project=control.project, pid=pid) from None
    try:
        _ask_to_end(control)
        if not select.select([pidfd], [], [], END_SECONDS)[0]:
            raise Unavailable("still_stopping", pid=pid, seconds=END_SECONDS)
    finally:
        os.close(pidfd)


def _ask_to_end(control: Control) -> None:
    """Ask; a Launcher that goes away before it has answered has understood."""
    with contextlib.suppress(Unavailable):
        control.post("/launcher/shutdown")


def survivors(instance_dir: Path) -> list[dict[str, object]]:
    """The processes that the Launcher could not end, as `pid` and `name`, by its records."""
    from kite.launcher.records import Records

    records = Records(instance_dir / "launcher" / "processes")
    found = [record for _path, record in records.read() if record is not None]
    return [
        {"pid": record.pid, "name": record.module}
        for record in found
        if records.is_of_now(record) and _is_there(record)
    ]


def _is_there(record: Record) -> bool:
    """Whether it is this very process, and not one that has got its number since."""
    from kite.launcher import platform_linux

    found = platform_linux.stat(record.pid) if record.pid else None
    return found is not None and found.is_alive and found.start_time == record.start_time
