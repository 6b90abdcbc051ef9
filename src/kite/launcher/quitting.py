"""How a person ends it: Ctrl-C, SIGTERM, SIGHUP, or `q` on a terminal; once more skips the waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial

from kite.launcher.authority import OPERATOR
from kite.launcher.service import Launcher

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


SAME_PRESS = 0.2
"""Seconds: one interrupt for a whole group comes twice, directly and passed on by the guard."""


class Quitter:
    """Tells a first request to end from a second one."""

    def __init__(self, stop: Callable[[], None], skip_waiting: Callable[[], None]) -> None:
        self._stop = stop
        self._skip_waiting = skip_waiting
        self._asked_at: float | None = None

    def interrupt(self, now: float) -> None:
        """Ctrl-C at the instant `now` (monotonic seconds): the second one skips the waiting."""
        if self._asked_at is None:
            self._asked_at = now
            self._stop()
        elif now - self._asked_at >= SAME_PRESS:
            self._skip_waiting()

    def terminate(self, now: float) -> None:
        """SIGTERM and SIGHUP say the same thing however often."""
        if self._asked_at is None:
            self._asked_at = now
        self._stop()


@contextlib.contextmanager
def quitting(launcher: Launcher, *, has_terminal: bool) -> Iterator[None]:
    """Listen for the end while the block runs."""
    loop = asyncio.get_running_loop()
    quitter = Quitter(launcher.stop, launcher.skip_waiting)
    tell = partial(_tell, launcher)

    def heard(number: signal.Signals) -> None:
        tell(signal.Signals(number).name)
        act = quitter.interrupt if number is signal.SIGINT else quitter.terminate
        act(loop.time())

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard, number)
    try:
        with _keys(quitter, partial(tell, "key q")) if has_terminal else contextlib.nullcontext():
            yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _tell(launcher: Launcher, how: str) -> None:
    """The audit log has it once, however often it is said."""
    if not launcher.stopping.is_set():
        launcher.around.trail.done(OPERATOR, "shutdown", how=how)


@contextlib.contextmanager
def _keys(quitter: Quitter, on_quit: Callable[[], None]) -> Iterator[None]:
    """Read single keys where a person can press them; the terminal is put back afterwards."""
    if not _is_ours():
        yield
        return
    import termios  # noqa: PLC0415  (only on a terminal)
    import tty  # noqa: PLC0415  (likewise)

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def pressed() -> None:
        try:
            keys = os.read(descriptor, 64)
        except OSError:
            keys = b""
        if not keys:
            loop.remove_reader(descriptor)
        elif b"q" in keys or b"Q" in keys:
            on_quit()
            quitter.interrupt(loop.time())

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, pressed)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _is_ours() -> bool:
    """Whether standard input and output are a terminal whose keys come to us."""
    try:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return False
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
