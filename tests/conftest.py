"""What holds for all tests."""

from __future__ import annotations

import signal

# A runner in the background of a script ignores interrupts, and programs inherit that: those that
# are interrupted here must hear it, wherever the tests run.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
