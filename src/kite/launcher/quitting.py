"""How a person ends it: Ctrl-C, SIGTERM, SIGHUP, or `q` on a terminal; once more skips the waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from kite.launcher.service import Launcher

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Quitter:
    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._asked = 0

    def interrupt(self) -> None:
        """Ctrl-C: the second one skips the waiting."""
        self._asked += 1
        if self._asked == 1:
            self._launcher.stop()
        else:
            self._launcher.skip_waiting()

    def terminate(self) -> None:
        """SIGTERM and SIGHUP say the same thing however often."""
        self._asked = max(self._asked, 1)
        self._launcher.stop()


@contextlib.contextmanager
def quitting(launcher: Launcher, *, has_terminal: bool) -> Iterator[None]:
    """Listen for the end while the block runs."""
    loop = asyncio.get_running_loop()
    quitter = _Quitter(launcher)
    for number in _SIGNALS:
        act = quitter.interrupt if number is signal.SIGINT else quitter.terminate
        loop.add_signal_handler(number, act)
    try:
        with _keys(quitter) if has_terminal else contextlib.nullcontext():
            yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _keys(quitter: _Quitter) -> Iterator[None]:
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
            quitter.interrupt()

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
