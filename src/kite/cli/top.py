"""`kite top`: what the modules use, and who and what is busy at the Event Hub."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import click

from kite import terminal
from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.usage import bad_value, positive_count, positive_duration
from kite.locale import _

if TYPE_CHECKING:
    from kite.cli.control import Control
    from kite.cli.hub.top_rates import Sample
    from kite.cli.hub.top_view import Style

ROWS = 20
"""Of each table, where there is no terminal to say how many fit."""


def _sort(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    from kite.cli.hub.top_rates import SORTS

    if value not in SORTS:
        raise bad_value(ctx, parameter, value, ", ".join(SORTS))
    return value


@click.command(
    cls=Verb,
    help=_(
        "Show what the modules use and the busiest subjects and clients of the Event Hub, anew each"
        " second; ends with q or Ctrl-C."
        " Where there is no terminal, or with --once, one look of a second."
        " It costs the Hub little: each time its counters are read, and up to 4,000 events are"
        " looked at, as a spectator who holds nobody back; of a busy Hub that is a part of the"
        " time, and rates of subjects are estimates."
    ),
)
@click.option("--once", is_flag=True, help=_("look once, and end"))
@click.option(
    "--sort",
    callback=_sort,
    default="rate",
    show_default=True,
    metavar="COLUMN",
    help=_("rate, bytes, name, in, out, queued, dropped, stalls, cpu, memory or restarts"),
)
@click.option(
    "-n", "rows", callback=positive_count, metavar="N", help=_("so many rows of each table at most")
)
@click.option(
    "--interval",
    callback=positive_duration,
    default="1s",
    show_default=True,
    metavar="DURATION",
    help=_("how long each look takes"),
)
@click.pass_obj
def top(session: Session, /, *, once: bool, sort: str, rows: int | None, interval: float) -> int:
    from kite.cli.hub.connection import run
    from kite.cli.hub.top_view import Style

    control = session.control()
    is_live = terminal.can_move_cursor(sys.stdout, os.environ) and not session.wants_json
    if rows is None and not session.wants_json and not is_live:
        rows = ROWS
    style = Style(sort=sort, rows=rows, color=report.stdout_color())
    try:
        if is_live and not once:
            ending = run(_live(control, style, interval))
            if ending not in (None, signal.SIGINT):  # as whoever sent it expects
                signal.signal(ending, signal.SIG_DFL)
                os.kill(os.getpid(), ending)
        elif session.wants_json:
            run(_stream(control, style, interval, once=once))
        else:
            _print(run(_one(control, interval)), style, control)
    except KeyboardInterrupt:
        if once or not (is_live or session.wants_json):
            raise
    return 0


async def _one(control: Control, interval: float) -> Sample:
    from kite.cli.hub.top_feed import Feed

    feed = Feed(control, smoothed=1)
    await feed.open()
    try:
        await asyncio.sleep(interval)
        return await feed.sample()
    finally:
        await feed.close()


def _print(sample: Sample, style: Style, control: Control) -> None:
    from dataclasses import replace

    from kite.cli.hub.top_view import picture

    if sys.stdout.isatty():
        style = replace(style, columns=report.stdout_columns())
    report.data("\n".join(picture(sample, style, title=_title(control))))


async def _stream(control: Control, style: Style, interval: float, *, once: bool) -> None:
    from kite.cli.audience import when_left
    from kite.cli.hub.top_view import document
    from kite.clock import now_rfc3339

    enough = asyncio.Event()
    when_left(sys.stdout.fileno(), enough.set)

    def show(sample: Sample) -> None:
        report.line(document(sample, style, ts=now_rfc3339()))
        if once:
            enough.set()

    def restart() -> None:
        report.say(_("the Event Hub is restarting"))

    await _until(enough, _look(control, interval, show, smoothed=1, on_restart=restart))


async def _live(control: Control, style: Style, interval: float) -> signal.Signals | None:
    """On the whole terminal; the signal that ended it, if one did."""
    from dataclasses import replace

    from kite.cli.full_screen import FullScreen
    from kite.cli.hub.top_rates import SMOOTHED, Sample
    from kite.cli.hub.top_view import picture

    enough = asyncio.Event()
    ending: list[signal.Signals] = []
    shown = Sample(seconds=0, taken=0, given=0, looked_at=1, subjects=(), clients=())
    note = _("looking …")

    def draw() -> None:
        columns, lines = screen.size()
        fitting = replace(style, columns=columns, lines=lines)
        screen.draw(picture(shown, fitting, title=_title(control), note=note))

    def show(sample: Sample) -> None:
        nonlocal shown, note
        shown, note = sample, ""
        draw()

    def restart() -> None:
        nonlocal note
        note = _("the Event Hub is restarting")
        draw()

    def end(number: signal.Signals) -> None:
        ending.append(number)
        enough.set()

    def pressed(key: str) -> None:
        if key in "qQ":
            enough.set()

    with FullScreen(on_key=pressed, on_end=end, on_change=draw) as screen:
        draw()
        look = _look(control, interval, show, smoothed=SMOOTHED, on_restart=restart)
        await _until(enough, look)
    return ending[0] if ending else None


async def _until(enough: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it is enough, or goes wrong."""
    tasks = [asyncio.create_task(work), asyncio.create_task(enough.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _look(
    control: Control,
    interval: float,
    show: Callable[[Sample], None],
    *,
    smoothed: int,
    on_restart: Callable[[], None],
) -> None:
    """Show a sample each interval, over restarts of the Hub, without end.

    Raises:
        Unavailable: Kite has ended (status 3).
    """
    from kite.cli.hub.top_feed import Feed
    from kite.errors import Unavailable

    feed = Feed(control, smoothed=smoothed)
    while True:
        try:
            await feed.open()
            while not await _happens(feed.lost, within=interval):
                show(await feed.sample())
        except Unavailable as away:
            if away.code != "connection_lost":
                raise
        finally:
            await feed.close()
        control.get("/launcher")  # raises when Kite has ended
        on_restart()


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    """Whether the event happens within so many seconds."""
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False


def _title(control: Control) -> str:
    from pathlib import Path

    return f"{Path(control.project).name}  {time.strftime('%H:%M:%S')}"
