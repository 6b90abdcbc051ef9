"""Waiting until every module that is to run does, or never will by itself."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kite import terminal
from kite.cli import mistakes, report
from kite.cli.control import Control
from kite.errors import KiteError, Unavailable
from kite.launcher.progress import Progress, reason_of, state_word
from kite.launcher.story import asking_why, count_running, last_words
from kite.locale import _

LONG_WAIT = 30.0
END_SECONDS = 20.0
"""A Launcher that is ending is gone within 15 s."""
DRAW_SECONDS = 0.2
"""How often the display is drawn anew: the longest that one answer is waited for on a terminal."""


def until_settled(
    control: Control, *, timeout: float | None, ended: Callable[[float], None]
) -> list[str]:
    """Wait, with the modules' progress on a terminal.

    Args:
        timeout: seconds at most; None as long as it takes.
        ended: raises when the Launcher is gone within so many seconds.

    Returns:
        lines about what came up: how many run, and where to look.

    Raises:
        Unavailable: `not_all_ready` (status 4) when some are not ready, each named on standard
            error with its reason, and with the commands that tell more.
        KiteError: whatever `ended` raises.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    display = Display() if terminal.can_move_cursor(sys.stderr, os.environ) else None
    try:
        while True:
            left = LONG_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            wait = min(left, DRAW_SECONDS if display else LONG_WAIT)
            answer = _ask(control, f"/launcher/settled?wait={wait:.3f}", wait, ended)
            if display:
                display.draw(_ask(control, "/launcher/modules", 0, ended)["modules"], time.time())
            if answer["settled"] or (deadline is not None and time.monotonic() >= deadline):
                break
    finally:
        if display:
            display.end()
    about = _ask(control, "/launcher", 0, ended)
    for line in mistakes.unlisted(about):
        report.say(line)
    if not answer["ready"] and about.get("phase") == "stopping":
        ended(END_SECONDS)  # it has given up, and its own words say why
    records: list[dict[str, Any]] = _ask(control, "/launcher/modules", 0, ended)["modules"]
    if not answer["ready"]:
        missing = {str(each["name"]): each for each in answer["unready"]}
        missing |= {each["name"]: each for each in records if each["name"] in missing}
        for line in unready_lines(list(missing.values())):
            report.say(line)
        names = ", ".join(missing)
        text = _("Kite runs in {project}, pid {pid}, without: {names}")
        report.say(text.format(project=control.project, pid=control.api.pid, names=names))
        raise Unavailable("not_all_ready", names=names, commands=asking_why(missing.values()))
    return summary(records, answer["urls"])


def summary(records: Sequence[Mapping[str, Any]], urls: Mapping[str, str]) -> list[str]:
    """What came up: how many run, and the URLs by module name."""
    columns = max(map(len, urls), default=0)
    return [
        _("modules running: {count}").format(count=count_running(records)),
        *(f"  {terminal.pad(name, columns)}  {url}" for name, url in urls.items()),
    ]


def unready_lines(unready: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who is not ready and why, one line each, and below it what it printed last if it failed."""
    columns = max((terminal.width(str(each["name"])) for each in unready), default=0)
    color = terminal.wants_color(sys.stderr, os.environ)
    lines = []
    for each in unready:
        why = filter(None, [state_word(str(each.get("actual_state"))), reason_of(each)])
        lines.append(f"  {terminal.pad(str(each['name']), columns)}  {': '.join(why)}")
        lines += [f"    {line}" for line in last_words(each, color=color)]
    return lines


class Display:
    """The modules' states, drawn again in place on standard error."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._drawn = 0
        self._color = terminal.wants_color(sys.stderr, os.environ)

    def draw(self, records: Sequence[Mapping[str, Any]], now: float) -> None:
        """Show the records; `now` is in seconds since 1970 UTC."""
        for record in records:
            self._progress.record(record, now)
        size = os.get_terminal_size(sys.stderr.fileno())
        lines = self._progress.lines(
            now, columns=(size.columns or 80) - 1, rows=(size.lines or 24) - 2, color=self._color
        )
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        sys.stderr.write(up + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
        sys.stderr.flush()
        self._drawn = len(lines)

    def end(self) -> None:
        """Leave the last drawing where it is."""
        if not self._drawn:
            report.say(_("nothing is to be started"))


def _ask(control: Control, path: str, wait: float, ended: Callable[[float], None]) -> Any:
    try:
        return control.get(path, timeout=wait + 10.0).json()
    except KiteError:
        ended(END_SECONDS)
        raise
