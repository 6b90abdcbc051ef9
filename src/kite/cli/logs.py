"""`kite logs`: what the modules have printed and print. Needs no running Kite."""

from __future__ import annotations

import contextlib
import heapq
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.logbook import STREAMS, Entry, LogTail, known_modules
from kite.cli.names import complete
from kite.cli.session import Session
from kite.cli.usage import bad_value, unknown
from kite.errors import KiteError
from kite.locale import _

FOLLOWED_LINES = 20


def _count(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None or value == "all":
        return None
    if not value.isdecimal():
        raise bad_value(ctx, parameter, value, _("a number or 'all'"))
    return int(value)


@click.command(
    cls=Verb,
    help=_(
        "Show what modules print, by time; without names, of all. Works when Kite is down, too."
        " -f goes on until Ctrl-C, over restarts of modules and of Kite."
    ),
)
@click.option("-f", "--follow", is_flag=True, help=_("go on with what is written from now on"))
@click.option(
    "-n",
    "--lines",
    "count",
    metavar="N",
    callback=_count,
    help=_("the last N lines of all together, or 'all' (default: all; with -f 20)"),
)
@click.option("-t", "--timestamps", is_flag=True, help=_("show when each line was printed"))
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete)
@click.pass_context
def logs(
    ctx: click.Context, follow: bool, count: int | None, timestamps: bool, names: tuple[str, ...]
) -> int:
    session = ctx.ensure_object(Session)
    if follow and ctx.get_parameter_source("count") is click.core.ParameterSource.DEFAULT:
        count = FOLLOWED_LINES
    folder = session.known_instance_dir() / "logs"
    chosen = _chosen(session, folder, names, follow=follow)
    printer = Printer(wants_json=session.wants_json, timestamps=timestamps)
    if not follow:
        printer.expect(chosen)
        with contextlib.ExitStack() as files:
            tails = [_open(files, folder, name) for name in chosen]
            printer.show(_past(tails, count))
        return 0
    with contextlib.suppress(KeyboardInterrupt):  # that is how following ends
        _follow(folder, chosen, printer, count, everybody=not names)
    return 0


def _chosen(session: Session, folder: Path, names: Sequence[str], *, follow: bool) -> list[str]:
    known = known_modules(folder)
    for name in names:
        if name not in known and not (follow and _is_module(session, name)):
            raise unknown("no_log", name, known, folder=str(folder))
    return list(dict.fromkeys(names)) or known


def _open(files: contextlib.ExitStack, folder: Path, name: str) -> LogTail:
    return files.enter_context(contextlib.closing(LogTail(folder, name)))


def _is_module(session: Session, name: str) -> bool:
    from kite.cli.control import module_path

    try:
        session.control().get(module_path(name))
    except KiteError:
        return False
    return True


def _past(tails: Sequence[LogTail], count: int | None) -> Iterable[Entry]:
    merged = heapq.merge(*(tail.past(count) for tail in tails), key=lambda entry: entry.ts)
    if count is None:
        return merged
    entries = list(merged)
    return islice(entries, max(0, len(entries) - count), None)


def _follow(
    folder: Path, names: list[str], printer: Printer, count: int | None, *, everybody: bool
) -> None:
    from kite.cli.inotify import Inotify

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Inotify([folder]) as watch, contextlib.ExitStack() as files:
        tails = {name: _open(files, folder, name) for name in names}
        printer.expect(names)
        printer.show(_past(list(tails.values()), count))
        while True:
            watch.wait(audience=sys.stdout.fileno())
            if everybody:
                for name in known_modules(folder):
                    if name not in tails:
                        tails[name] = _open(files, folder, name)
                        printer.expect([name])
                        printer.show(tails[name].past(None))
            grown = [entry for tail in tails.values() for entry in tail.new()]
            printer.show(sorted(grown, key=lambda entry: entry.ts))


class Printer:
    """Entries as lines: `name | text`, coloured by name on a terminal, or JSON objects."""

    def __init__(self, *, wants_json: bool, timestamps: bool) -> None:
        self._wants_json = wants_json
        self._timestamps = timestamps
        self._color = terminal.wants_color(sys.stdout, os.environ)
        self._columns = 0

    def expect(self, names: Iterable[str]) -> None:
        """Make room for these names."""
        self._columns = min(24, max([self._columns, *map(len, names)]))

    def show(self, entries: Iterable[Entry]) -> None:
        """Print them."""
        for entry in entries:
            if self._wants_json:
                stream = STREAMS[entry.mark]
                report.line(
                    {"ts": entry.ts, "module": entry.module, "stream": stream, "text": entry.text}
                )
            else:
                print(self.line(entry))
        sys.stdout.flush()

    def line(self, entry: Entry) -> str:
        """One entry as a person reads it."""
        mark = "=" if entry.is_note else "|"
        prefix = f"{terminal.pad(entry.module, self._columns)} {mark}"
        prefix = terminal.paint(prefix, terminal.name_color(entry.module), color=self._color)
        if self._timestamps:
            prefix = terminal.paint(entry.ts, "dim", color=self._color) + " " + prefix
        text = terminal.clean(entry.text, color=self._color)
        if entry.is_note:
            text = terminal.paint(text, "dim", color=self._color)
        return f"{prefix} {text}".rstrip()
