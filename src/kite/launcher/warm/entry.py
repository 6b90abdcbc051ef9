"""A later template's process: `python -m kite.launcher.warm.entry SOCKET LAUNCHER MARK`."""

from __future__ import annotations

import gc
import os
import socket
import sys

from kite.launcher.warm.mother import attend
from kite.launcher.warm.order import Hello
from kite.launcher.warm.preload import forget, preload


def main() -> int:
    """Be a template until the Launcher goes, or a module until that ends; the exit status."""
    descriptor, launcher, mark = map(int, sys.argv[1:4])
    sock = socket.socket(fileno=descriptor)
    modules = preload()
    forget()
    gc.collect()
    gc.freeze()
    hello = Hello(modules=tuple(modules))
    newborn = attend(sock, launcher=launcher, mark=mark, hello=hello)
    if newborn is None:
        os._exit(0)
    return newborn.live()


if __name__ == "__main__":
    sys.exit(main())
