"""Stands between the Launcher and the module under test, and holds that module's standard input.

It adds to the boot line what a later version of Kite might, and ends the pipe on SIGUSR1 without
another word. It leaves as the module does. Run by a bare interpreter: standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

LATER = {"later": {"nested": [1, 2.5, None, 'quote " brace }']}, "\u00e9": True}
"""Keys that nobody knows, before and behind those that everybody does."""


def main() -> int:
    """Run the command in the arguments; its exit status."""
    line = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGTERM, _leave_it_to_the_module)
    with subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, bufsize=0) as module:
        pipe = module.stdin
        assert pipe is not None
        pipe.write(json.dumps({**LATER, **line, "latest": None}).encode() + b"\n")

        def end_pipe(_number: int = 0, _frame: FrameType | None = None) -> None:
            pipe.close()

        def follow() -> None:
            sys.stdin.buffer.read()
            end_pipe()

        signal.signal(signal.SIGUSR1, end_pipe)
        threading.Thread(target=follow, daemon=True).start()
        status = module.wait()
    return status if status >= 0 else 128 - status


def _leave_it_to_the_module(_number: int, _frame: FrameType | None) -> None:
    """The signal goes to the whole group: the module has it, too."""


if __name__ == "__main__":
    os._exit(main())
