"""`kite audit`: who did what with Kite, and who was refused what. Needs no running Kite."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from kite import terminal
from kite.cli import report
from kite.cli.audit_book import WRITERS, AuditTail, Choice, Said, merged
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import instant, number_or_all
from kite.locale import _

_FOLLOWED = 20


@click.command(
    cls=Verb,
    help=_(
        "Show who asked Kite for what and when, and who was refused what, by time. Works when Kite is"
        " down, too. -f goes on until Ctrl-C."
    ),
)
@click.option("-f", "--follow", is_flag=True, help=_("go on with what is written from now on"))
@click.option(
    "-n",
    "--lines",
    "count",
    metavar="N",
    callback=number_or_all,
    help=_("the last N lines, or 'all' (default: all; with -f 20)"),
)
@click.option(
    "--since",
    callback=instant,
    metavar="WHEN",
    help=_("what was written since then: 30s, 5m, 2h (ago), or an instant in RFC 3339"),
)
@click.option(
    "--who",
    multiple=True,
    metavar="NAME",
    help=_("only of this module, 'operator' or 'nobody' (no known token); may be said again"),
)
@click.option("--refused", is_flag=True, help=_("only what was refused"))
@click.pass_context
def audit(
    ctx: click.Context,
    /,
    *,
    follow: bool,
    count: int | None,
    since: str | None,
    who: Sequence[str],
    refused: bool,
) -> int:
    session = ctx.ensure_object(Session)
    if follow and ctx.get_parameter_source("count") is click.core.ParameterSource.DEFAULT:
        count = None if since else _FOLLOWED
    choice = Choice(since=since or "", who=frozenset(who), only_refused=refused)
    folder = session.known_instance_dir()
    show = _Show(wants_json=session.wants_json)
    with contextlib.ExitStack() as files:
        tails = [
            files.enter_context(contextlib.closing(AuditTail(folder / name))) for name in WRITERS
        ]
        if follow:
            with contextlib.suppress(KeyboardInterrupt):  # that is how following ends
                _follow(folder, tails, choice, show, count)
        else:
            show(_last(merged(tails, choice), count))
    return 0


def _last(lines: Iterable[Said], count: int | None) -> Iterable[Said]:
    return lines if count is None else deque(lines, maxlen=count)


def _follow(
    folder: Path, tails: Sequence[AuditTail], choice: Choice, show: _Show, count: int | None
) -> None:
    from kite.cli.inotify import Inotify

    folders = [folder / name for name in WRITERS]
    for each in folders:
        each.mkdir(mode=0o700, exist_ok=True)
    with Inotify(folders) as watch:
        show(_last(merged(tails, choice), count))
        while True:
            watch.wait(audience=sys.stdout.fileno())
            new = [line for tail in tails for line in tail.new() if choice.takes(line)]
            show(sorted(new, key=lambda line: str(line["ts"])))


class _Show:
    """Prints lines."""

    def __init__(self, *, wants_json: bool) -> None:
        self._wants_json = wants_json
        self._words = max(terminal.width(word) for word in (_("refused"), _("done")))
        self._color = terminal.wants_color(sys.stdout, os.environ)

    def __call__(self, lines: Iterable[Said]) -> None:
        for line in lines:
            if self._wants_json:
                report.line(line)
            else:
                print(self._text(line))
        sys.stdout.flush()

    def _text(self, line: Said) -> str:
        is_refused = line["outcome"] == "refused"
        word = _("refused") if is_refused else _("done")
        style = ("red",) if is_refused else ("green",)
        who = f"{line['who']} {line['life']}" if line.get("life") else str(line["who"])
        what = " ".join(str(line[key]) for key in ("what", "target") if line.get(key))
        if line.get("suppressed"):
            what = _("{count} more refusals like this within {seconds:g} s").format(
                count=line["suppressed"], seconds=line.get("seconds") or 0
            )
        rest = ", ".join(str(line[key]) for key in ("code", "how", "reason") if line.get(key))
        shown = [
            terminal.paint(str(line["ts"]), "dim", color=self._color),
            terminal.pad(str(line.get("where", "")), 9),
            terminal.paint(terminal.pad(word, self._words), *style, color=self._color),
            terminal.pad(terminal.clean(who, color=False), 12),
            terminal.clean(what, color=False)
            + (f" ({terminal.clean(rest, color=False)})" if rest else ""),
        ]
        return "  ".join(shown)
