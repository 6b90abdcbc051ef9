"""Modules that do what modules should not: programs for the tests of whoever runs them.

Each is the text of a Python program that needs no library, to be run by a bare interpreter:

    system.module("rude", misbehaving.IGNORES_SIGTERM, ready={"log": "up"})

They print `up` when the fault is in place, so that a `ready` probe of kind `log` waits for it.
"""

from __future__ import annotations

from typing import Final

SLEEPS: Final = """\
import time
print("up", flush=True)
time.sleep(1000)
"""
"""Well-behaved as far as it goes: the first signal ends it."""

IGNORES_SIGTERM: Final = """\
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    time.sleep(1000)
"""
"""Only SIGKILL ends it."""

NEVER_READY: Final = """\
import time
time.sleep(1000)
"""
"""Says nothing, not even `up`."""

CRASHES: Final = """\
import sys
sys.exit("it cannot go on like this")
"""
"""Exits with status 1 at once."""

LEADER_LEAVES: Final = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-E", "-c", "import time; time.sleep(1000)"])
print("child", child.pid, flush=True)
print("up", flush=True)
"""
"""The process that was started exits at once with status 0 and leaves a child; `child PID`."""

DAEMONIZES: Final = """\
import os, sys, time
ours, theirs = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        code = f"import os, time; os.write({theirs}, str(os.getpid()).encode()); os.close({theirs}); time.sleep(1000)"
        os.set_inheritable(theirs, True)
        os.execve(sys.executable, [sys.executable, "-S", "-E", "-c", code], {})
    os._exit(0)
os.wait()
print("daemon", int(os.read(ours, 32)), flush=True)
print("up", flush=True)
time.sleep(1000)
"""
"""Leaves a daemon by the book: forked twice, own session, closed streams, empty environment.
Prints `daemon PID`."""

CLOSES_ITS_STREAMS: Final = """\
import os, time
os.write(1, b"up\\n")
for descriptor in (0, 1, 2):
    os.close(descriptor)
time.sleep(1000)
"""
"""Closes standard input, output and error, and lives on."""

FLOODS_STDOUT: Final = """\
import os
os.write(1, b"up\\n")
line = b"x" * 199 + b"\\n"
while True:
    os.write(1, line * 300)
"""
"""Writes as fast as somebody reads."""

BABBLES: Final = """\
import os, time
os.write(1, bytes(range(256)) * 40 + b"\\n")
os.write(1, b"\\xff\\xfe\\x00\\x1b[2J\\xf0\\x9f\\n")
os.write(1, b'{"kite": "port", "port": 1}\\n')
os.write(1, b'{"kite": "ws_endpoint", "ws_endpoint": "ws://127.0.0.1:1/ws"}\\n')
os.write(1, b'{"kite": {"deep": [' + b"[" * 5000 + b"\\n")
block = b"y" * 65536
for _ in range(160):
    os.write(1, block)
os.write(1, b"\\nup\\n")
time.sleep(1000)
"""
"""Binary, broken UTF-8, terminal escapes, the core modules' messages, 10 MiB without a line end."""

FORKS: Final = """\
import os, time
born = 1
while born < {processes}:
    born *= 2
    os.fork()
print("up", flush=True)
time.sleep(1000)
"""
"""Forks in every branch until there are about `processes` (`FORKS.format(processes=64)`)."""

REFORKS: Final = """\
import os, time
print("up", flush=True)
until = time.monotonic() + {seconds}
while time.monotonic() < until:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.002)
"""
"""Runs away from whoever looks for it: a new process in a new session every 2 ms, for `seconds`."""

HUNGRY: Final = """\
import os, time
for _ in range(2):
    if os.fork() == 0:
        break
kept = bytearray(60_000_000)
for at in range(0, len(kept), 4096):
    kept[at] = 1
print("up", flush=True)
time.sleep(1000)
"""
"""Three processes with 60 MB each."""
