"""`kite service`: let systemd keep this project's Kite, from login or from boot on."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.unit import unit_name, unit_text
from kite.errors import KiteError, Unavailable
from kite.locale import _

NOT_RUNNING = 3
SYSTEMCTL_SECONDS = 660.0
"""A start waits until every module has come up; systemd ends that after 10 minutes."""
_PASSED_ON = ("PATH", "KITE_WORKSPACE", "KITE_LANG")
_SHOWN = ("UnitFileState", "ActiveState", "SubState", "MainPID", "StatusText")


@click.group(
    help=_(
        "Let systemd keep this project's Kite running: a unit of the user's own service manager."
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.pass_context
def service(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@service.command(
    cls=Verb,
    help=_(
        "Write the unit and enable it: Kite starts here when you log in, and is started again when it"
        " fails. With --now it starts at once."
    ),
    short_help=_("start Kite here when you log in"),
)
@click.option("--print", "only_print", is_flag=True, help=_("print the unit and change nothing"))
@click.option("--now", is_flag=True, help=_("start it at once, too"))
@click.pass_obj
def install(session: Session, *, only_print: bool, now: bool) -> int:
    from kite import atomic_file

    if only_print:
        print(_Unit(session).text, end="")
        return 0
    manager = _Manager(_Unit(session))
    unit = _Unit(session, claim=True)
    if now and (instance := session.instance_dir()):
        from kite.cli.occupied import refuse_second

        refuse_second(instance)
    unit.path.parent.mkdir(parents=True, exist_ok=True)
    atomic_file.replace(unit.path, unit.text.encode(), mode=0o644)
    manager.call("daemon-reload")
    manager.call("enable", *["--now"] * now, unit.name)
    if session.wants_json:
        report.document({"unit": unit.name, "file": str(unit.path), "lingers": _lingers()})
        return 0
    report.say(_("installed: {file}").format(file=unit.path))
    if not now:
        report.say(_("start it now: systemctl --user start '{name}'").format(name=unit.name))
    if not _lingers():
        text = _("it starts when {user} logs in; to start at boot: loginctl enable-linger {user}")
        report.say(text.format(user=getpass.getuser()))
    return 0


@service.command(
    cls=Verb,
    help=_("Stop Kite if systemd runs it, and take its unit away. Data and logs stay."),
    short_help=_("take the unit away"),
)
@click.pass_obj
def uninstall(session: Session) -> int:
    unit = _Unit(session)
    if not unit.path.exists():
        report.say(_("no service is installed for {project}").format(project=unit.project))
        return 0
    manager = _Manager(unit)
    manager.call("disable", "--now", unit.name)
    unit.path.unlink(missing_ok=True)
    manager.call("daemon-reload")
    report.say(_("removed: {file}").format(file=unit.path))
    return 0


@service.command(
    cls=Verb,
    help=_(
        "Show whether the unit is installed and what systemd says of it. Status 3 when it is not active."
    ),
    short_help=_("show what systemd says of it"),
)
@click.pass_obj
def status(session: Session) -> int:
    unit = _Unit(session)
    said = _Manager(unit).call("show", unit.name, "-p", ",".join(_SHOWN))
    found = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)
    is_installed, is_active = unit.path.exists(), found.get("ActiveState") == "active"
    if session.wants_json:
        report.document(
            {
                "unit": unit.name,
                "file": str(unit.path) if is_installed else None,
                "enabled": found.get("UnitFileState") == "enabled",
                "active": is_active,
                "state": found.get("SubState", ""),
                "pid": int(found.get("MainPID") or 0) or None,
                "status": found.get("StatusText", ""),
                "lingers": _lingers(),
            }
        )
    elif not is_installed:
        print(_("no service is installed for {project}").format(project=unit.project))
    else:
        states = (found.get(key, "") for key in ("UnitFileState", "ActiveState", "SubState"))
        print(f"{unit.name}: {', '.join(filter(None, states))}")
        if text := found.get("StatusText"):
            print(f"  {text}")
    return 0 if is_active else NOT_RUNNING


class _Unit:
    """The unit of the session's project: its name, its file, its text.

    Args:
        claim: whether the instance directory is made, so that its name, which is the unit's, stays.
    """

    def __init__(self, session: Session, *, claim: bool = False) -> None:
        from kite.model.workspace import claim_instance_dir, home_dir, named_instance_dir

        project = session.project_dir()
        instance = claim_instance_dir(project) if claim else session.instance_dir()
        self.project = project
        self.name = unit_name(instance.name if instance else project.name or "default")
        environ = session.environ
        config = environ.get("XDG_CONFIG_HOME") or str(home_dir(environ) / ".config")
        self.path = Path(config) / "systemd" / "user" / self.name
        self.command = (*_program(), "-C", str(project), "up", "--quiet")
        kept = {name: environ[name] for name in _PASSED_ON if environ.get(name)}
        if named := named_instance_dir(project):
            kept["KITE_INSTANCE_DIR"] = str(named)
        self.text = unit_text(self.name, project=str(project), command=self.command, environ=kept)


def _program() -> tuple[str, ...]:
    """This very `kite`, by its absolute path."""
    script = Path(sys.executable).with_name("kite")
    if os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-P", "-m", "kite.cli.entry")


class _Manager:
    """The user's systemd.

    Raises:
        Unavailable: `no_systemd` when there is none.
    """

    def __init__(self, unit: _Unit) -> None:
        self._program = shutil.which("systemctl")
        self._command = " ".join([*unit.command[:-2], "up", "-d"])
        if self._program is None:
            raise self._absent("systemctl: command not found")
        try:
            self.call("show-environment")
        except KiteError as refused:
            raise self._absent(str(refused.params.get("detail"))) from None

    def _absent(self, detail: str) -> Unavailable:
        return Unavailable("no_systemd", detail=detail, command=self._command)

    def call(self, *words: str) -> str:
        """`systemctl --user WORDS`; what it prints.

        Raises:
            Unavailable: `systemctl_failed`.
        """
        assert self._program is not None
        try:
            done = subprocess.run(
                [self._program, "--user", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SYSTEMCTL_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise self._failed(words, str(failed)) from None
        if done.returncode:
            raise self._failed(words, done.stderr.strip() or f"status {done.returncode}")
        return done.stdout

    def _failed(self, words: tuple[str, ...], detail: str) -> Unavailable:
        return Unavailable(
            "systemctl_failed", command=f"systemctl --user {' '.join(words)}", detail=detail
        )


def _lingers() -> bool:
    """Whether the user's manager is there without a login."""
    return Path("/var/lib/systemd/linger", getpass.getuser()).exists()
