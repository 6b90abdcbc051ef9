"""`kite events`: watch events as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sys
from typing import Any

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import positive_count
from kite.locale import _

MAX_DATA_CHARACTERS = 4000


@click.command(
    cls=Verb,
    help=_(
        "Watch events as they happen: time, subject, source and data. A PATTERN is a subject in"
        " which * stands for one word and a last > for the rest; without one, all events."
        " Ends with Ctrl-C, after --count events, or with status 3 when Kite ends."
    ),
)
@click.option("--count", callback=positive_count, metavar="N", help=_("end after this many events"))
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.pass_obj
def events(session: Session, *, count: int | None, patterns: tuple[str, ...]) -> int:
    from kite.cli.hub import run
    from kite.wire.subject import check_pattern

    wanted = [check_pattern(pattern) for pattern in patterns] or [">"]
    control = session.control()
    printer = Printer(wants_json=session.wants_json, left=count)
    with contextlib.suppress(KeyboardInterrupt):  # that is how watching ends
        run(_watch(control, wanted, printer))
    return 0


async def _watch(control: Any, patterns: list[str], printer: Printer) -> None:
    from kite.cli.audience import when_left
    from kite.cli.hub import connect

    when_left(sys.stdout.fileno(), printer.leave)
    while True:
        lost = asyncio.Event()
        connection = await connect(control, on_event=printer.event, on_lost=lost.set)
        try:
            await connection.subscribe(patterns, observe=True)
            report.say(
                _("watching {patterns}; end with Ctrl-C").format(patterns=" ".join(patterns))
            )
            over = [asyncio.create_task(each.wait()) for each in (lost, printer.done)]
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            for task in over:
                task.cancel()
            if printer.failure:
                raise printer.failure
            if printer.done.is_set():
                return
        finally:
            await connection.close()
        control.get("/launcher")  # raises when Kite has ended
        report.say(_("the Event Hub is restarting; what happens meanwhile is not shown"))


class Printer:
    """Prints events until there are enough. What the reader of the output does to it is kept."""

    def __init__(self, *, wants_json: bool, left: int | None) -> None:
        self._wants_json = wants_json
        self._left = left
        self._color = terminal.wants_color(sys.stdout, os.environ)
        self.done = asyncio.Event()
        self.failure: OSError | None = None

    def event(self, event: Any) -> None:
        """Print one, unless it is over."""
        if self.done.is_set():
            return
        try:
            self._print(event)
        except OSError as gone:  # a pipe whose reader has left
            self.failure = gone
            self.done.set()
            return
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.done.set()

    def leave(self) -> None:
        """Nobody reads any more, though there was nothing to print."""
        self.failure = self.failure or BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.done.set()

    def _print(self, event: Any) -> None:
        import msgspec

        if self._wants_json:
            report.line(msgspec.to_builtins(event))
        else:
            report.data(line(event, color=self._color))


def line(event: Any, *, color: bool) -> str:
    """One event on one line: time of day (UTC), subject, source, data."""
    data = json.dumps(event.data, ensure_ascii=False)
    if len(data) > MAX_DATA_CHARACTERS:
        data = data[:MAX_DATA_CHARACTERS] + "…"
    time = terminal.clean(str(event.timestamp)[11:23], color=False)
    subject = terminal.paint(terminal.clean(event.event, color=False), "bold", color=color)
    source = terminal.clean(str(event.source), color=False)
    source = terminal.paint(source, terminal.name_color(source), color=color)
    return f"{terminal.paint(time, 'dim', color=color)} {subject} {source} {data}"
