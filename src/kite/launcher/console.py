"""What a person sees while `kite up` runs in the foreground.

On a terminal a block of lines at the bottom shows the modules come up, drawn again in place; what the
modules print scrolls by above it. Elsewhere everything is plain lines. Once the system has settled the
block is gone and lines follow: the modules' output behind their names (`name | text`) and their life
(`name = started in 80 ms, pid 4711`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from kite import terminal
from kite.clock import Clock, SystemClock
from kite.launcher import story
from kite.launcher.progress import Progress
from kite.launcher.screen import Screen
from kite.locale import _
from kite.model.manifest import CORE_NAMES

REDRAW_SECONDS = 0.2
"""How often elapsed times are drawn anew while modules are starting on a terminal."""

MAX_NAME_COLUMNS = 24


class Console:
    """Renders the Launcher's life to one stream. Never waits for the stream's reader.

    Args:
        stream: where to write, usually standard output.
        color: paint names and states.
        quiet: leave out the modules' output lines.
        verbose: every event, every step, the phases.
        tty: the stream is a terminal on which lines can be drawn again.
        clock: where elapsed times come from.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        color: bool,
        quiet: bool = False,
        verbose: bool = False,
        tty: bool,
        clock: Clock | None = None,
    ) -> None:
        self._screen = Screen(stream)
        self._color = color
        self._quiet = quiet
        self._verbose = verbose
        self._tty = tty
        self._clock = clock or SystemClock()
        self._story = story.Story()
        self._progress = Progress()
        self._began = self._clock.monotonic()
        self._phase = ""
        self._coming_up = True
        self._drawn = 0
        self._names = len("event_hub")
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def on(cls, stream: TextIO, *, quiet: bool = False, verbose: bool = False) -> Console:
        """A console for this stream, with what it can do found out (`NO_COLOR`, `TERM` …)."""
        return cls(
            stream,
            color=terminal.wants_color(stream, os.environ),
            quiet=quiet,
            verbose=verbose,
            tty=terminal.can_move_cursor(stream, os.environ),
        )

    def header(self, fields: Mapping[str, str]) -> None:
        """What runs here (version, pid, interpreter, `KITE_` settings): with `-v` only."""
        if self._verbose:
            columns = max((terminal.width(name) for name in fields), default=0)
            self._lines(
                f"{self._paint(terminal.pad(name, columns), 'dim')}  {value}"
                for name, value in fields.items()
            )

    def phase(self, name: str) -> None:
        """The Launcher has come to this phase (`registry` … `running`, `stopping`)."""
        self._phase = name
        if name == "stopping":
            self._end_block()
            self._line(self._paint(_("stopping everything …"), "bold"))
        elif self._verbose and not self._tty:
            self._line(self._paint(_("phase {name}").format(name=name), "dim"))
        self._redraw()

    def step(self, step: Mapping[str, Any]) -> None:
        """One step of a module's life: a line of `lifecycle.jsonl` as a dictionary."""
        now = self._clock.wall()
        if self._coming_up:
            self._progress.step(step, now)
        line = self._story.line(step, now, verbose=self._verbose)
        shown_in_block = self._coming_up and self._tty and step.get("event") in _IN_BLOCK
        if line is not None and (self._verbose or not shown_in_block):
            text = self._paint(line.text, *line.styles)
            self._lines([self._prefix(line.module, "=") + text, *self._unseen_words(step)])
        else:
            self._redraw()
        self._schedule()

    def _unseen_words(self, step: Mapping[str, Any]) -> list[str]:
        """What a module printed last before it failed, where its output is not shown anyway."""
        module = str(step.get("module"))
        is_shown = not self._quiet and (self._verbose or module not in CORE_NAMES)
        if is_shown or step.get("event") != "exited":
            return []
        prefix = self._prefix(module, "|")
        said = terminal.quoted(step.get("last_lines"), most=story.QUOTED, color=False)
        return [prefix + line.removeprefix("| ") for line in said]

    def output(self, module: str, text: str, is_error: bool = False) -> None:
        """One line that a module printed; `is_error` for its standard error.

        What the core modules print is for `kite logs` and `-v`.
        """
        if self._quiet or (module in CORE_NAMES and not self._verbose):
            return
        text = terminal.clean(text, color=self._color)
        self._lines([self._prefix(module, "!" if is_error and not self._color else "|") + text], 1)

    def event(self, event: Any) -> None:
        """One event of the Hub (a `kite.wire.frame.Event`): with `-v` only."""
        if self._verbose:
            text = story.event_text(event)
            self._lines([self._paint(terminal.clean(text, color=False), "dim")], 1)

    def settled(
        self, records: Iterable[Mapping[str, Any]], urls: Mapping[str, str] | None = None
    ) -> None:
        """Everything has come up, or what has not will not by itself.

        Args:
            records: the modules, as in `GET /launcher/modules`.
            urls: where to look: module name → URL.
        """
        rows = self._block()[1:]
        self._end_block()
        seconds = self._clock.monotonic() - self._began
        if rows:
            self._lines(rows)
        self._lines(story.summary(records, urls or {}, seconds, color=self._color))

    def message(self, text: str) -> None:
        """A line of the Launcher's own, for the person at the terminal."""
        self._line(text)

    def close(self) -> None:
        """Write what waits as far as it goes, and end. Nothing is drawn afterwards."""
        self._end_block()
        self._screen.close()

    def _end_block(self) -> None:
        self._coming_up = False
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._drawn:
            self._screen.write(f"\x1b[{self._drawn}A\r\x1b[J")
            self._drawn = 0

    def _prefix(self, module: str, mark: str) -> str:
        self._names = min(max(self._names, len(module)), MAX_NAME_COLUMNS)
        name = terminal.pad(module, self._names)
        return self._paint(f"{name} {mark}", terminal.name_color(module)) + " "

    def _paint(self, text: str, *styles: str) -> str:
        return terminal.paint(text, *styles, color=self._color)

    def _line(self, text: str) -> None:
        self._lines([text])

    def _lines(self, lines: Iterable[str], droppable: int = 0) -> None:
        if self._screen.dropped and not self._screen.is_congested:
            count, self._screen.dropped = self._screen.dropped, 0
            note = _("{count} lines are not shown: the terminal did not read them; see kite logs")
            lines = [self._paint(note.format(count=count), "yellow"), *lines]
        self._screen.write(self._frame(list(lines)), lines=droppable)

    def _frame(self, lines: list[str]) -> str:
        """The lines with the block drawn anew below them, as one piece of text."""
        if not self._tty:
            return "".join(f"{line}\n" for line in lines)
        up = f"\x1b[{self._drawn}A\r" if self._drawn else ""
        block = self._block()
        shorter = len(lines) + len(block) < self._drawn
        self._drawn = len(block)
        end = "\x1b[K\n"
        return up + "".join(line + end for line in (*lines, *block)) + ("\x1b[J" if shorter else "")

    def _block(self) -> list[str]:
        if not self._coming_up or not self._tty:
            return []
        columns, rows = self._screen.columns_and_rows()
        title = terminal.fit(story.phase_title(self._phase), columns)
        elapsed = self._progress.lines(
            self._clock.wall(), columns=columns - 1, rows=max(rows - 3, 1), color=self._color
        )
        return [self._paint(title, "bold"), *elapsed]

    def _redraw(self) -> None:
        if self._coming_up and self._tty and not self._screen.is_congested:
            self._screen.write(self._frame([]))

    def _schedule(self) -> None:
        """Let elapsed times run while something is starting."""
        if not (self._tty and self._coming_up and self._progress.is_moving) or self._timer:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._timer = loop.call_later(REDRAW_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._redraw()
        self._schedule()


_IN_BLOCK = frozenset({"scanned", "starting", "started", "stopping", "stopped"})
