"""What a module printed last is there when it has ended: in what is told, and in its log."""

from __future__ import annotations

import json
import re
import signal

from kite.testing.system import ECHO, System

CRASHES = """
import sys
print("up", flush=True)
sys.stdin.readline()
print("loading", flush=True)
sys.stderr.write("out of paper: no line end")
sys.exit(7)
"""

COUNTS = """
import os, signal
os.write(1, b"up\\n")
for number in range(20000):
    os.write(1, b"line %d\\n" % number)
os.kill(os.getpid(), signal.SIGKILL)
"""

UP = {"log": "^up$"}
WORDS = ["up", "loading", "out of paper: no line end"]


def test_a_failure_tells_what_was_printed_last(system: System) -> None:
    system.module("crash", CRASHES, ready=UP, restart={"max": 2}, state="manual")
    system.up("--wait")
    refused = system.kite("start", "crash", status=None)
    step = system.wait_step("crash", "failed")
    assert step["last_lines"] == WORDS
    assert [each["last_lines"] for each in system.steps("crash", "exited")] == [WORDS, WORDS]
    # Its second life may be ready before it crashes, and then the start is done.
    if refused.status:
        assert "| out of paper: no line end" in refused.err
    kept = system.kite("events", "module.*", "--since", "1m", "--no-follow", "--json").out
    events = [json.loads(line) for line in kept.splitlines()]
    mine = [each for each in events if each["data"].get("module_id") == "crash"]
    told = [(each["event"], each["data"].get("last_lines")) for each in mine]
    assert ("module.failed", WORDS) in told
    assert [words for event, words in told if event == "module.stopped"] == [WORDS, WORDS]
    assert system.record("crash")["last_lines"] == WORDS
    assert "crash | out of paper: no line end" in system.kite("ps").err
    shown = system.kite("logs", "--previous", "crash").out.splitlines()
    assert re.fullmatch(r"crash = life 2, pid \d+", shown[0])
    assert shown[-1] == "crash = life 2: exit status 7"
    assert sorted(shown[1:-1]) == sorted(f"crash | {word}" for word in WORDS)


def test_the_end_that_was_asked_for_tells_nothing(system: System) -> None:
    system.module("echo", 'print("hello", flush=True)\n' + ECHO, runtime="python")
    system.up("--wait")
    system.act("stop", "echo")
    system.wait_log("echo", "| hello")
    assert "last_lines" not in system.steps("echo", "exited")[-1]
    assert system.record("echo")["last_lines"] == []


def test_the_last_lines_before_a_kill_are_in_the_log(system: System) -> None:
    """And those of the life before, though it runs again and its files were compressed."""
    system.configure(logs={"size": "512KiB"})
    system.module("counts", COUNTS, ready=UP, restart={"max": 1, "retry": False})
    system.up()
    step = system.wait_step("counts", "failed")
    wanted = [f"line {number}" for number in range(19900, 20000)]
    assert step["last_lines"] == wanted[-20:]
    shown = system.kite("logs", "-n", "100", "--stream", "stdout", "counts").out.splitlines()
    assert shown == [f"counts | {line}" for line in wanted]
    folder = system.instance_dir / "logs"
    system.wait(lambda: list(folder.glob("counts.log.*.gz")), what="compressed logs")
    words = ("logs", "--previous", "--stream", "stdout", "-g", "^line")
    lines = system.kite(*words, "counts").out.splitlines()
    assert lines == [f"counts | line {number}" for number in range(20000)]
    system.down()
    assert system.kite(*words, "counts").out.splitlines() == lines
    system.up()
    system.wait_step("counts", "failed", count=2)
    again = system.kite("logs", "-p", "2", "--stream", "stdout", "-g", "^line", "counts")
    assert again.out.splitlines() == lines


def test_in_the_foreground_without_output_a_crash_shows_the_last_lines(system: System) -> None:
    system.module("crash", CRASHES, ready=UP, restart={"max": 1, "retry": False})
    kite = system.spawn("up", "--quiet")
    system.wait_step("crash", "failed")
    kite.send_signal(signal.SIGTERM)
    out, _ = kite.communicate(timeout=20)
    assert re.search(r"^crash +\| out of paper: no line end$", out, re.MULTILINE), out


def test_waiting_for_all_to_be_ready_shows_why_one_is_not(system: System) -> None:
    program = CRASHES.replace('print("up", flush=True)', "")
    system.module("crash", program, ready=UP, restart={"max": 1, "retry": False})
    outcome = system.up("--wait", status=4)
    lines = outcome.err.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("  crash"))
    assert lines[place + 1 : place + 3] == ["    | loading", "    | out of paper: no line end"]
