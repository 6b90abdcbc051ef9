"""`kite logs -f` over several modules, those that come later, and rotations, with what is wanted of them."""

from __future__ import annotations

import json

from kite.testing.system import System

OURS = ("one", "two", "quiet", "later")
SPEAKS = """
import sys, time
print("up", flush=True)
for number in range({lines}):
    print("INFO: " + "x" * 500, flush=True)
print("{level}: from {name}", flush=True)
print("  and more of it", flush=True)
time.sleep(1000)
"""


def speaks(system: System, name: str, *, level: str = "ERROR", lines: int = 0) -> None:
    program = SPEAKS.format(name=name, level=level, lines=lines)
    system.module(name, program, ready={"log": "^up$"}, state="manual")


def test_several_modules_are_followed_by_level(system: System) -> None:
    """And one that did not exist when the following began, over rotations and compression."""
    system.configure(logs={"size": "64KiB", "count": 3})
    for name in ("one", "two"):
        speaks(system, name)
    speaks(system, "quiet", level="WARNING")
    system.up("--wait")
    system.act("start", "one")
    system.wait(lambda: "and more of it" in system.log("one"), what="its error")
    following = system.spawn("logs", "-f", "-n", "all", "--level", "error", "--json")
    assert following.stdout

    def heard() -> tuple[str, str]:
        """The next line of one of ours."""
        assert following.stdout
        while (entry := json.loads(following.stdout.readline()))["module"] not in OURS:
            pass
        assert entry["level"] == "error"
        return entry["module"], entry["text"]

    def error(name: str) -> list[tuple[str, str]]:
        return [(name, f"ERROR: from {name}"), (name, "  and more of it")]

    assert [heard(), heard()] == error("one")  # so it has begun
    for name in ("two", "quiet", "one"):
        system.act("start" if name != "one" else "restart", name)
    speaks(system, "later", lines=1000)
    system.kite("rescan")
    system.act("start", "later")
    lines = [heard() for _ in range(6)]
    for name in ("two", "one", "later"):
        assert [line for line in lines if line[0] == name] == error(name)
