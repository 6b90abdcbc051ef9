"""What a process does about signals: as after an exec, and the start of an interpreter."""

from __future__ import annotations

import signal
from collections.abc import Collection

_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
_FIXED = (signal.SIGKILL, signal.SIGSTOP)
_SETTABLE = tuple(sorted(signal.valid_signals() - set(_FIXED)))


def ignored() -> tuple[int, ...]:
    """Those that this process ignores, and a child that it starts with exec would ignore."""
    return tuple(
        number
        for number in _SETTABLE
        if number not in _PYTHON_IGNORES and signal.getsignal(number) is signal.SIG_IGN
    )


def blocked() -> tuple[int, ...]:
    """Those that are blocked in this thread."""
    return tuple(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))


def assume(ignored: Collection[int], blocked: Collection[int]) -> None:
    """Have what a new interpreter has that was started with these ignored and blocked."""
    for number in _SETTABLE:
        wanted: object = signal.SIG_DFL
        if number in ignored or number in _PYTHON_IGNORES:
            wanted = signal.SIG_IGN
        elif number == signal.SIGINT:
            wanted = signal.default_int_handler
        if signal.getsignal(number) is not wanted:
            signal.signal(number, wanted)  # type: ignore[arg-type]
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
