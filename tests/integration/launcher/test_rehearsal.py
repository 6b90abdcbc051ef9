"""The life that a template lives itself: it is a whole one, and nothing of it is left."""

from __future__ import annotations

import json
import subprocess
import sys

TRIAL = """
import asyncio, json, logging, os, signal, sys, threading
from kite.launcher.warm.preload import preload
preload()
from kite.launcher.warm import packing, rehearsal
from kite.sdk.life import Life

os.environ |= {"STAYS": "here", "KITE_MODULE": "whose Kite this is"}
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
logging.getLogger("asyncio").setLevel(logging.ERROR)

def state():
    root = logging.root
    return {
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "input": os.readlink("/proc/self/fd/0"),
        "modules": sorted(sys.modules),
        "environ": dict(os.environ),
        "signals": {n: str(signal.getsignal(n)) for n in signal.valid_signals()},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "wake-up": signal.set_wakeup_fd(-1),
        "alarm": signal.alarm(0),
        "threads": threading.active_count(),
        "loggers": sorted(root.manager.loggerDict),
        "levels": [root.level, logging.getLogger("asyncio").level],
        "handlers": len(root.handlers),
        "policy": str(asyncio.events._event_loop_policy),
        "profile": str(sys.getprofile()),
    }

lived = []
say_ready, code = Life._say_ready, Life.run.__code__
def counted(self):
    lived.append(self.name)
    say_ready(self)
Life._say_ready = counted
before = state()
rehearsal.rehearse()
after = state()
print(json.dumps({
    "before": before,
    "after": after,
    "lived": lived,
    "is_packed": Life.run.__code__ is not code and Life.run.__code__ == code,
    "kept": len(packing._kept),
}))
"""


def test_nothing_of_it_is_left() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", TRIAL], capture_output=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    told = json.loads(ran.stdout)
    assert told["after"] == told["before"]
    assert len(told["lived"]) > 1, "a loaded machine may not get all of it done"
    assert told["is_packed"]
    assert told["kept"] > 300
