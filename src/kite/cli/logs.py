"""`kite logs`: what the modules have printed and print. Needs no running Kite."""

from __future__ import annotations

import contextlib
import heapq
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.log_entry import STREAMS, Entry
from kite.cli.log_filter import LogFilter, Wanted
from kite.cli.log_level import LEVELS, Level
from kite.cli.logbook import LogTail, known_modules
from kite.cli.names import complete
from kite.cli.session import Session
from kite.cli.usage import bad_value, exclusive, instant, needs, number_or_all, unknown
from kite.errors import KiteError, RequestError
from kite.locale import _

FOLLOWED_LINES = 20
_EARLIER_NAMES = "kite.cli.logs.names"

Opened = Callable[[str], LogTail]


def _lives_back(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int:
    """The number behind `-p`, which may be left out: what begins with a letter is a module's name."""
    if value is None or value.isdecimal():
        if value is not None and int(value) == 0:
            raise bad_value(ctx, parameter, value, _("a whole number above 0"))
        return int(value or 0)
    ctx.meta[_EARLIER_NAMES] = value
    return 1


def _level(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Level | None:
    if value is None:
        return None
    if (level := LEVELS.get(value.lower())) is None:
        raise bad_value(ctx, parameter, value, ", ".join(each.word for each in Level))
    return level


def _regex(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return re.compile(value, re.IGNORECASE if ctx.params.get("ignore_case") else 0)
    except re.error as wrong:
        expected = _("a regular expression ({detail})").format(detail=wrong)
        raise bad_value(ctx, parameter, value, expected) from None


@click.command(
    cls=Verb,
    help=_(
        "Show what modules print, by time; without names, of all. Works when Kite is down, too."
        " -f goes on until Ctrl-C, over restarts of modules and of Kite."
        " What is said about lines is combined, and -n counts the lines that are left."
    ),
)
@click.option("-f", "--follow", is_flag=True, help=_("go on with what is written from now on"))
@click.option(
    "-n",
    "--lines",
    "count",
    metavar="N",
    callback=number_or_all,
    help=_("the last N lines of all together, or 'all' (default: all; with -f 20)"),
)
@click.option(
    "-p",
    "--previous",
    "back",
    metavar="[N]",
    is_flag=False,
    flag_value="1",
    callback=_lives_back,
    help=_("of each module only its last life that has ended, or the one N lives back"),
)
@click.option(
    "--since",
    callback=instant,
    metavar="WHEN",
    help=_("what was printed since then: 30s, 5m, 2h (ago), or an instant in RFC 3339"),
)
@click.option(
    "--until", callback=instant, metavar="WHEN", help=_("what was printed until then, likewise")
)
@click.option(
    "-i", "--ignore-case", is_flag=True, is_eager=True, help=_("with --grep: in any case")
)
@click.option("-v", "--invert", is_flag=True, help=_("with --grep: lines without it"))
@click.option(
    "-g", "--grep", callback=_regex, metavar="REGEX", help=_("lines in which this is found")
)
@click.option(
    "--level",
    callback=_level,
    metavar="LEVEL",
    help=_("lines of this level or worse: trace, debug, info, warn, error, fatal"),
)
@click.option(
    "--stream",
    "streams",
    type=click.Choice(list(STREAMS.values())),
    multiple=True,
    help=_("only standard output, standard error or Kite's notes; may be said twice"),
)
@click.option("-t", "--timestamps", is_flag=True, help=_("show when each line was printed"))
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete)
@click.pass_context
def logs(
    ctx: click.Context,
    /,
    *,
    follow: bool,
    count: int | None,
    back: int,
    timestamps: bool,
    names: tuple[str, ...],
    **which: Any,
) -> int:
    for other in ("back", "until"):
        exclusive(ctx, "follow", other)
    for flag in ("ignore_case", "invert"):
        needs(ctx, flag, "grep")
    names = (*filter(None, [ctx.meta.get(_EARLIER_NAMES)]), *names)
    session = ctx.ensure_object(Session)
    if follow and ctx.get_parameter_source("count") is click.core.ParameterSource.DEFAULT:
        count = None if which["since"] else FOLLOWED_LINES
    folder = session.known_instance_dir() / "logs"
    _open_many_files()
    chosen = _chosen(session, folder, names, follow=follow)
    printer = Printer(wants_json=session.wants_json, timestamps=timestamps)
    wanted = _wanted(**which)
    with contextlib.ExitStack() as files:

        def opened(name: str) -> LogTail:
            chooses = LogFilter(wanted, tells_levels=session.wants_json)
            return files.enter_context(contextlib.closing(LogTail(folder, name, chooses)))

        if follow:
            with contextlib.suppress(KeyboardInterrupt):  # that is how following ends
                _follow(folder, chosen, opened, printer, count, everybody=not names)
            return 0
        tails = [opened(name) for name in chosen]
        if back:
            tails = _with_life(tails, back, required=bool(names))
        printer.expect(tail.module for tail in tails)
        printer.show(_past(tails, count, back=back))
    return 0


def _open_many_files() -> None:
    """Logs of hundreds of modules, with their older files, are more than the usual limit."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _wanted(
    *,
    since: str | None,
    until: str | None,
    grep: re.Pattern[str] | None,
    level: Level | None,
    streams: Sequence[str],
    invert: bool,
    ignore_case: bool,
) -> Wanted:
    del ignore_case  # it is in the expression
    return Wanted(
        since=since or "",
        until=until or "",
        grep=grep,
        is_inverted=invert,
        level=level,
        streams=frozenset(mark for mark, word in STREAMS.items() if word in streams),
    )


def _with_life(tails: Sequence[LogTail], back: int, *, required: bool) -> list[LogTail]:
    """The logs that reach so many lives back.

    Raises:
        RequestError: `no_earlier_life` where one was named that does not.
    """
    found = [tail for tail in tails if tail.has_life(back)]
    if required and len(found) < len(tails):
        missing = next(tail.module for tail in tails if tail not in found)
        raise RequestError("no_earlier_life", name=missing, count=back)
    return found


def _chosen(session: Session, folder: Path, names: Sequence[str], *, follow: bool) -> list[str]:
    known = known_modules(folder)
    for name in names:
        if name not in known and not (follow and _is_module(session, name)):
            raise unknown("no_log", name, known, folder=str(folder))
    return list(dict.fromkeys(names)) or known


def _is_module(session: Session, name: str) -> bool:
    from kite.cli.control import module_path

    try:
        session.control().get(module_path(name))
    except KiteError:
        return False
    return True


def _past(tails: Sequence[LogTail], count: int | None, *, back: int = 0) -> Iterable[Entry]:
    pasts = (tail.past(count, back=back) for tail in tails)
    merged = heapq.merge(*pasts, key=lambda entry: entry.ts)
    if count is None:
        return merged
    entries = list(merged)
    return islice(entries, max(0, len(entries) - count), None)


def _follow(
    folder: Path,
    names: list[str],
    opened: Opened,
    printer: Printer,
    count: int | None,
    *,
    everybody: bool,
) -> None:
    from kite.cli.inotify import Inotify

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Inotify([folder]) as watch:
        tails = {name: opened(name) for name in names}
        printer.expect(names)
        printer.show(_past(list(tails.values()), count))
        while True:
            watch.wait(audience=sys.stdout.fileno())
            if everybody:
                for name in known_modules(folder):
                    if name not in tails:
                        tails[name] = opened(name)
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
                report.line(_as_json(entry))
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


def _as_json(entry: Entry) -> dict[str, str]:
    said = {} if entry.level is None else {"level": entry.level.word}
    stream = STREAMS[entry.mark]
    return {"ts": entry.ts, "module": entry.module, "stream": stream, **said, "text": entry.text}
