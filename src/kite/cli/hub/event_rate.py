"""How many events come: `kite events --rate`."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import time

from kite import terminal
from kite.cli import report
from kite.cli.figures import count, rate, size, span
from kite.cli.hub.connection import Seen
from kite.clock import now_rfc3339
from kite.locale import _

EVERY_SECONDS = 1.0


class RateWatcher:
    """A line each second, on a terminal always the same one; at the end what it was all together."""

    def __init__(self, *, wants_json: bool, left: int | None) -> None:
        self._wants_json = wants_json
        self._rewrites = not wants_json and terminal.can_move_cursor(sys.stdout, os.environ)
        self._left = left
        self._total = Amount()
        self._lately = Amount()
        self._timer: asyncio.TimerHandle | None = None
        self.done = asyncio.Event()
        self.failure: OSError | None = None

    def start(self) -> None:
        """Begin to count."""
        self._total = Amount(began=time.monotonic())
        self._again()

    def seen(self, _event: Seen, frame: bytes) -> None:
        """Count one, unless it is over."""
        if self.done.is_set():
            return
        self._lately.events += 1
        self._lately.size += len(frame)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.done.set()

    def missed(self, count: int) -> None:
        """Count those too, apart."""
        self._lately.missed += count

    def leave(self) -> None:
        """Nobody reads any more."""
        self.failure = self.failure or BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.done.set()

    def end(self) -> None:
        """The summary."""
        if self._timer is None:
            return  # it has not begun
        self._timer.cancel()
        if self.failure is not None:
            return
        self._total.add(self._lately)
        seconds = time.monotonic() - self._total.began
        if self._wants_json:
            report.line({"total": True, **self._total.document(seconds)})
            return
        text = _("{events} events, {size}, in {seconds}: {rate} events/s, {size_rate}/s")
        report.data(
            ("\r\x1b[K" if self._rewrites else "")
            + text.format(
                events=count(self._total.events),
                size=size(self._total.size),
                seconds=span(seconds),
                rate=rate(self._total.events / seconds),
                size_rate=size(self._total.size / seconds),
            )
        )

    def _again(self) -> None:
        self._lately = Amount(began=time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(EVERY_SECONDS, self._tick)

    def _tick(self) -> None:
        seconds = time.monotonic() - self._lately.began
        self._total.add(self._lately)
        try:
            self._show(self._lately, seconds)
        except OSError as gone:
            self.failure = gone
            self.done.set()
        self._again()

    def _show(self, amount: Amount, seconds: float) -> None:
        if self._wants_json:
            report.line({"ts": now_rfc3339(), **amount.document(seconds)})
            return
        text = _("{time}  {rate} events/s  {size_rate}/s").format(
            time=now_rfc3339()[11:19],
            rate=rate(amount.events / seconds),
            size_rate=size(amount.size / seconds),
        )
        if not self._rewrites:
            report.data(text)
            return
        sys.stdout.write(f"\r{text}\x1b[K")
        sys.stdout.flush()


class Amount:
    """What came since `began` (monotonic seconds)."""

    def __init__(self, began: float = 0.0) -> None:
        self.began = began
        self.events = 0
        self.size = 0
        self.missed = 0

    def add(self, other: Amount) -> None:
        self.events += other.events
        self.size += other.size
        self.missed += other.missed

    def document(self, seconds: float) -> dict[str, float]:
        """As JSON: `seconds`, `events`, `bytes`, `missed`."""
        return {
            "seconds": round(seconds, 3),
            "events": self.events,
            "bytes": self.size,
            "missed": self.missed,
        }
