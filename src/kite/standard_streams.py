"""Standard input, output and error that were closed before this process began.

Without them the next files and sockets get the numbers 0, 1 and 2, and what somebody prints ends up
in one of those; Python, for its part, has no `sys.stdout` then. Cron jobs and some supervisors start
programs so.
"""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Open those that are missing on `/dev/null`, for this process and its children.

    To be called before anything is opened that stays open.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115  (stays)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
