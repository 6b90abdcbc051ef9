"""The first template: forked from the Launcher before that has threads, an event loop or files.

The Launcher imports what a template needs anyway, so it comes for the price of a fork, and its
pages are shared with the Launcher, too.
"""

from __future__ import annotations

import gc
import os
import sys
import threading

from kite.launcher.warm.mother import attend
from kite.launcher.warm.newborn import Newborn
from kite.launcher.warm.order import pair
from kite.launcher.warm.preload import forget, preload
from kite.launcher.warm.template import Template, ground_of

_kept: list[frozenset[str]] = []
"""What those that are forked must not let go of: it would cost each a copy of every page in which
one of the names lies."""


def fork_template(mark: int) -> Template | Newborn | None:
    """Import, and fork. A newborn is returned in the processes that the template forks one day.

    Returns:
        None where this interpreter was started in a way that modules' own would not be, or where
        the operating system refuses: there may still be templates with interpreters of their own.
    """
    gc.disable()  # what is imported stays, so there is nothing to collect
    modules = preload()
    _kept.append(modules)
    gc.freeze()
    gc.enable()
    if not _is_plain():
        return None
    ours, theirs = pair()
    launcher = os.getpid()
    try:
        pid = os.fork()
    except OSError:
        ours.close()
        theirs.close()
        return None
    if pid == 0:
        ours.close()
        forget()
        newborn = attend(theirs, launcher=launcher, mark=mark, hello=None)
        if newborn is None:
            os._exit(0)
        return newborn
    theirs.close()
    ours.setblocking(False)
    return Template(ours, pid, ground_of(modules))


def _is_plain() -> bool:
    """Whether a fork of this interpreter looks like a new one, but for what it has imported."""
    options = sys.orig_argv[1 : sys.orig_argv.index("-m")] if "-m" in sys.orig_argv else ["?"]
    return options in ([], ["-P"]) and threading.active_count() == 1 and sys.gettrace() is None
