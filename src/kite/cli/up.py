"""`kite up`: become the Launcher, or start one in the background."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import positive_seconds
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.control import Control


@click.command(
    cls=Verb,
    help=_(
        "Start Kite in this project. In the foreground it shows the modules come up, then what"
        " they print, and ends with Ctrl-C. With -d it runs in the background."
    ),
)
@click.option("-d", "--detach", is_flag=True, help=_("run in the background"))
@click.option(
    "--wait",
    is_flag=True,
    help=_(
        "return when all modules are ready (with -d, which it implies); 4 names those that are not"
    ),
)
@click.option(
    "--timeout",
    callback=positive_seconds,
    metavar="SECONDS",
    help=_("with --wait: wait no longer than this"),
)
@click.option("-q", "--quiet", is_flag=True, help=_("do not show what the modules print"))
@click.option("-v", "--verbose", is_flag=True, help=_("show settings and every event"))
@click.pass_obj
def up(  # one parameter per option
    session: Session, *, detach: bool, wait: bool, timeout: float | None, quiet: bool, verbose: bool
) -> int:
    command, environ, project, instance = _launching(session)
    command += ["--quiet"] * quiet + ["--verbose"] * verbose
    if not (detach or wait):
        sys.stdout.flush()
        # A Ctrl-C from here on is for the Launcher, which hears it as soon as its interpreter is up.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.execve(sys.executable, command, environ)  # noqa: S606  (this process becomes the Launcher)
    from kite.cli.detached import Detached

    started = Detached([*command, "--detached"], environ, instance, project=str(project))
    control = started.until_api_answers()
    came_up: list[str] = []
    if wait:
        from kite.cli.settle import until_settled

        came_up = until_settled(control, timeout=timeout, ended=started.raise_if_ended)
    if session.wants_json:
        report.document(control.get("/launcher").json())
    else:
        text = _("Kite runs in {project}, pid {pid}; see kite ps, end it with kite down")
        for line in (text.format(project=project, pid=control.api.pid), *came_up):
            report.say(line)
    return 0


def in_background(session: Session) -> Control:
    """Start Kite in the background; its API, as soon as that answers.

    Raises:
        KiteError: as `kite up -d`.
    """
    from kite.cli.detached import Detached

    command, environ, project, instance = _launching(session)
    started = Detached([*command, "--detached"], environ, instance, project=str(project))
    return started.until_api_answers()


def _launching(session: Session) -> tuple[list[str], dict[str, str], Path, Path]:
    """The Launcher's command and environment, the project and its instance directory."""
    from kite.cli.occupied import refuse_second
    from kite.model.workspace import claim_instance_dir, workspace_dir

    project = session.project_dir()
    if known := session.instance_dir():  # it may be another project's, which it is to stay
        refuse_second(known)
    instance = claim_instance_dir(project)
    command = [
        *(sys.executable, "-P", "-m", "kite.launcher.entry"),
        *("--project", str(project)),
        *("--instance-dir", str(instance)),
        *("--workspace", str(workspace_dir())),
    ]
    environ = dict(session.environ)
    if "KITE_LANG" in os.environ:  # --lang
        environ["KITE_LANG"] = os.environ["KITE_LANG"]
    return command, environ, project, instance
