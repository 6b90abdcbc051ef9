"""A whole terminal for one program: another page, no cursor, single keys; put back in the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class FullScreen:
    """Owns the terminal from `with` to its end, whatever ends it; gives it back while suspended.

    Must be entered in a running event loop.

    Args:
        on_key: called with each key that is pressed.
        on_end: called with the signal that asks for the end.
        on_change: called when all has to be drawn again: another size, or back from Ctrl-Z.
    """

    def __init__(
        self,
        *,
        on_key: Callable[[str], object],
        on_end: Callable[[signal.Signals], object],
        on_change: Callable[[], object],
    ) -> None:
        self._on_key = on_key
        self._on_end = on_end
        self._on_change = on_change
        self._before: list[Any] | None = None
        self._loop = asyncio.get_running_loop()
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        handlers: dict[signal.Signals, Callable[[], object]] = {
            number: lambda number=number: self._on_end(number)  # type: ignore[misc]
            for number in _ENDINGS
        }
        handlers |= {signal.SIGWINCH: self._on_change, signal.SIGTSTP: self._suspend}
        for number, handler in handlers.items():
            if (before := signal.getsignal(number)) is not signal.SIG_IGN:
                self._handlers[number] = before
                self._loop.add_signal_handler(number, handler)
        self._take()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._give_back()
        finally:
            for number, before in self._handlers.items():
                self._loop.remove_signal_handler(number)
                signal.signal(number, before)

    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            return 80, 24
        return found.columns or 80, found.lines or 24

    def draw(self, lines: Sequence[str]) -> None:
        """Replace what is shown. The lines have to fit."""
        text = "\r\n".join(f"{line}\x1b[K" for line in lines)
        _write(f"\x1b[H{text}\x1b[J")

    def _take(self) -> None:
        if sys.stdin.isatty():
            import termios
            import tty

            self._before = termios.tcgetattr(0)
            tty.setcbreak(0)
            self._loop.add_reader(0, self._pressed)
        _write(_ENTER)

    def _give_back(self) -> None:
        try:
            with contextlib.suppress(OSError):
                _write(_LEAVE)
        finally:
            if self._before is not None:
                import termios

                self._loop.remove_reader(0)
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(0, termios.TCSADRAIN, self._before)
                self._before = None

    def _suspend(self) -> None:
        """Ctrl-Z: the shell gets its terminal as it was; after `fg` it is ours again."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self._on_change()

    def _pressed(self) -> None:
        try:
            keys = os.read(0, 64).decode("ascii", "replace")
        except OSError:
            keys = ""
        if not keys:
            self._loop.remove_reader(0)
        for key in keys:
            self._on_key(key)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
