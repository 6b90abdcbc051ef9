# ruff: noqa: PTH109, PTH115, PTH208, T201
"""What a process can find out about itself, as one line of JSON. Run warm and cold by `test_warm`."""

import ctypes
import gc
import io
import json
import locale
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

NAMES = sorted(globals())
_prctl = ctypes.CDLL(None).prctl
_death = ctypes.c_int()
_prctl(2, ctypes.byref(_death))
_stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
_status = Path("/proc/self/status").read_text().splitlines()
_STATUS = (
    *("Umask", "Uid", "Gid", "Groups", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"),
    *("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Cpus_allowed"),
)
_STREAMS = ("stdin", "stdout", "stderr")


def stream(name: str) -> list[object]:
    """All that can be told of a standard stream."""
    text: io.TextIOWrapper = getattr(sys, name)
    raw = getattr(text.buffer, "raw", None)
    return [
        *(
            repr(text),
            repr(raw) if name == "stdin" else repr(text.buffer),
            type(text.buffer).__name__,
        ),
        *(text.name, text.mode, text.encoding, text.errors, text.newlines, text.fileno()),
        *(text.line_buffering, text.write_through, text.isatty(), text.closed),
        text is getattr(sys, f"__{name}__"),
    ]


def sizes() -> dict[str, list[int]]:
    """The limits, but for the one that is the mark."""
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    names.remove("RLIMIT_RTTIME")
    return {name: list(resource.getrlimit(getattr(resource, name))) for name in names}


facts = {
    "pid": os.getpid(),
    "words": [sys.argv, sys.orig_argv, Path("/proc/self/cmdline").read_text()],
    "name": Path("/proc/self/comm").read_text(),
    "interpreter": [sys.executable, sys.prefix, os.readlink("/proc/self/exe"), sys.version],
    "flags": [str(sys.flags), str(sys._xoptions), str(sys.warnoptions)],
    "path": sys.path,
    "environment": [dict(sorted(os.environ.items())), sorted(map(str, os.environb.items()))],
    "environment outside": sorted(Path("/proc/self/environ").read_text().split("\0")),
    "environment of a child": sorted(subprocess.check_output(["env", "-0"], text=True).split("\0")),
    "folder": [os.getcwd(), os.readlink("/proc/self/cwd"), os.readlink("/proc/self/root")],
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "inheritable": [os.get_inheritable(n) for n in (0, 1, 2)],
    "blocking": [os.get_blocking(n) for n in (0, 1, 2)],
    "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), os.getppid()],
    "terminal": _stat[4],
    "dies with": _death.value,
    "keeps alive": ctypes.CDLL(None).prctl(37, 0, 0, 0, 0),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
    "handlers": {
        str(n): str(signal.getsignal(n)).partition(" at 0x")[0] for n in signal.valid_signals()
    },
    "wakes": signal.set_wakeup_fd(-1),
    "timers": [signal.getitimer(kind) for kind in (0, 1, 2)],
    "status": [line for line in _status if line.startswith(_STATUS)],
    "limits": sizes(),
    "nice": [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)],
    "out of memory": Path("/proc/self/oom_score_adj").read_text(),
    "group of control": Path("/proc/self/cgroup").read_text(),
    "main": [NAMES, repr(sys.modules["__main__"]), __name__, __doc__, __package__, repr(__spec__)],
    "file": [__file__, repr(globals().get("__cached__")), __loader__.name, __loader__.path],
    "builtins": [repr(__builtins__), sorted(dir(__builtins__))],
    "streams": [stream(name) for name in _STREAMS],
    "threads": [[t.name, t.daemon, t.native_id == os.getpid()] for t in threading.enumerate()],
    "main thread": threading.current_thread() is threading.main_thread(),
    "locale": [locale.setlocale(locale.LC_ALL), locale.getpreferredencoding()],
    "encodings": [sys.getdefaultencoding(), sys.getfilesystemencoding()],
    "zone": [time.tzname, time.timezone, time.daylight],
    "hooks": [
        str(sys.excepthook),
        str(sys.displayhook),
        str(sys.breakpointhook),
        str(sys.gettrace()),
    ],
    "logs": [
        str(logging.getLogger().handlers),
        logging.getLogger().level,
        time.time() - logging._startTime < 60,
    ],
    "numbers": [
        sys.getrecursionlimit(),
        gc.isenabled(),
        gc.get_threshold(),
        sys.getswitchinterval(),
    ],
    "fresh": [name in sys.modules for name in ("multiprocessing", "concurrent.futures.process")],
    "chance": random.getstate()[0],
    "processor": time.process_time() < 30,
}
print(json.dumps(facts))
