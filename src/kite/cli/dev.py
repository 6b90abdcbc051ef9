"""`kite dev NAME…`: work on modules: what they print, their life, and a restart at every change."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.control import Control, module_path
from kite.cli.inotify import Inotify
from kite.cli.log_entry import Entry
from kite.cli.logbook import LogTail
from kite.cli.logs import Printer
from kite.cli.names import complete
from kite.cli.session import Session
from kite.errors import KiteError, RequestError, Unavailable
from kite.launcher.story import Story
from kite.locale import _

WAIT_SECONDS = 75.0
"""The Launcher answers within 60 s that nothing was settled (CONTRACT, section 7)."""


@click.command(
    cls=Verb,
    help=_(
        "Work on modules: show what they print and how they live, and restart them when their files"
        " change, until Ctrl-C. Starts Kite and the modules where they do not run, and leaves"
        " everything as it was."
    ),
)
@click.option(
    "--dependents", is_flag=True, help=_("restart those that depend on them, too, in order")
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete)
@click.pass_obj
def dev(session: Session, *, names: tuple[str, ...], dependents: bool) -> int:
    chosen = list(dict.fromkeys(names))
    with contextlib.ExitStack() as undone:
        try:
            control = _running(session)
            instance = control.instance_dir if control else _prepared(session)
            # Before anything starts: what is said at the very beginning is shown, too.
            viewer = _Viewer(instance, chosen, undone, wants_json=session.wants_json)
            control = control or _started(session, undone)
            records = _known(control, chosen)
            leases = [_lease(control, name, undone, dependents=dependents) for name in chosen]
            for name in chosen:
                if records[name]["actual_state"] == "stopped":
                    _start(control, records[name], undone)
            report.say(_("watching: {names}; Ctrl-C ends it").format(names=", ".join(chosen)))
            viewer.follow(leases)
            report.say(_("Kite has stopped in {project}").format(project=control.project))
        except KeyboardInterrupt:  # that is how it ends
            report.say(_("leaving everything as it was …"))
    return 0


def _running(session: Session) -> Control | None:
    """The Kite that runs here."""
    try:
        return session.control()
    except Unavailable as away:
        if away.code not in ("not_running", "gone", "running_above"):
            raise
    return None


def _prepared(session: Session) -> Path:
    """The instance directory, as a Launcher would make it."""
    from kite.launcher.instance import prepare_directories
    from kite.model.workspace import claim_instance_dir

    instance = claim_instance_dir(session.project_dir())
    prepare_directories(instance)
    return instance


def _started(session: Session, undone: contextlib.ExitStack) -> Control:
    """A Kite that is stopped again at the end."""
    from kite.cli.down import until_gone
    from kite.cli.up import in_background

    control = in_background(session)
    report.say(_("Kite was started for this, pid {pid}").format(pid=control.api.pid))

    def end() -> None:
        with contextlib.suppress(Unavailable):  # it has ended by itself
            until_gone(control)

    undone.callback(end)
    return control


def _known(control: Control, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    records = {each["name"]: each for each in control.get("/launcher/modules").json()["modules"]}
    for name in names:
        if name not in records:
            raise RequestError("unknown_module", module=name)
    return records


def _lease(
    control: Control, name: str, undone: contextlib.ExitStack, *, dependents: bool
) -> socket.socket:
    """The Launcher watches for as long as this connection is open."""
    body = {"dependents": True} if dependents else {}
    asked = control.begin("POST", module_path(name, "/watch"), body, timeout=WAIT_SECONDS)
    return undone.enter_context(asked.opened())


def _start(control: Control, record: Mapping[str, Any], undone: contextlib.ExitStack) -> None:
    """Start what does not run, for as long as it is worked on; why it fails is seen as it happens."""
    name = record["name"]
    control.post(module_path(name, "/start"))
    if record["desired_state"] == "running":  # a job between two runs: it goes on by the clock
        return

    def stop() -> None:
        with contextlib.suppress(KiteError):
            control.post(module_path(name, "/stop?wait=1"), timeout=WAIT_SECONDS)

    undone.callback(stop)


class _Viewer:
    """The modules' logs and life from now on, by time.

    Raises:
        OSError: the folders cannot be watched.
    """

    def __init__(
        self,
        folder: Path,
        names: list[str],
        undone: contextlib.ExitStack,
        *,
        wants_json: bool,
    ) -> None:
        self._names = names
        self._watch = undone.enter_context(Inotify([folder / "logs", folder / "launcher"]))
        self._life = undone.enter_context(contextlib.closing(_Steps(folder / "launcher")))
        self._tails = [
            undone.enter_context(contextlib.closing(LogTail(folder / "logs", name)))
            for name in names
        ]
        self._wants_json = wants_json
        self._printer = Printer(wants_json=wants_json, timestamps=False)
        self._printer.expect(names)
        self._story = Story()

    def follow(self, leases: Iterable[socket.socket]) -> None:
        """Show what comes, until the Launcher closes a lease because everything ends."""
        sockets = {lease.fileno(): lease for lease in leases}
        while True:
            self._show()
            for descriptor in self._watch.wait(also=sockets, audience=sys.stdout.fileno()):
                if not _is_open(sockets[descriptor]):
                    self._show()
                    return

    def _show(self) -> None:
        for step in self._life.new():
            if step.get("module") in self._names:
                self._show_step(step)
        grown = [entry for tail in self._tails for entry in tail.new() if not entry.is_note]
        self._printer.show(sorted(grown, key=lambda entry: entry.ts))

    def _show_step(self, step: Mapping[str, Any]) -> None:
        if self._wants_json:
            report.line(step)
            return
        line = self._story.line(step, 0.0, verbose=False)
        if line is not None:
            color = terminal.wants_color(sys.stdout, os.environ)
            text = terminal.paint(line.text, *line.styles, color=color)
            print(self._printer.line(Entry(str(step.get("ts")), line.module, "=", text)))


def _is_open(lease: socket.socket) -> bool:
    """Take what has come: what changed is in the life of the module, too."""
    try:
        return bool(lease.recv(1 << 16))
    except OSError:
        return False


class _Steps:
    """What is written into `lifecycle.jsonl` from now on, over its rotation."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lifecycle.jsonl"
        self._file: BinaryIO | None = None
        self._rest = b""
        if self._path.exists():
            self._file = self._path.open("rb")
            self._file.seek(0, os.SEEK_END)

    def new(self) -> list[dict[str, Any]]:
        """The whole lines since the last call."""
        lines = self._read()
        with contextlib.suppress(FileNotFoundError):
            if self._file is None or not os.path.samestat(
                os.fstat(self._file.fileno()), self._path.stat()
            ):
                self.close()
                self._file = self._path.open("rb")
                self._rest = b""
                lines += self._read()
        return [json.loads(line) for line in lines]

    def _read(self) -> list[bytes]:
        grown = self._file.read() if self._file is not None else b""
        *lines, self._rest = (self._rest + grown).split(b"\n")
        return lines

    def close(self) -> None:
        """Read no more."""
        if self._file is not None:
            self._file.close()
            self._file = None
