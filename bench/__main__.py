"""Run all benchmarks, or those that are named, and print one table."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from bench.figure import Figure, table, write

NAMES = (
    "start",
    "ps",
    "idle",
    "fifty",
    "restart",
    "warm",
    "logs",
    "sdk",
    "hub",
    "supervision",
    "registry",
    "docsearch",
)
MODULES = {name: f"bench.{name}.suite" for name in ("hub", "supervision", "registry")}


def main() -> int:
    """0: every target that was measured is met; 1: one is missed; 2: something did not run."""
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], help=", ".join(NAMES))
    parser.add_argument("--no-write", action="store_true", help="leave bench/results/ alone")
    arguments = parser.parse_args()
    # What was started ends with the blocks it was started in, also where somebody ends this.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    figures: list[Figure] = []
    status = 0
    for name in arguments.names or NAMES:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            bench = importlib.import_module(MODULES.get(name, f"bench.{name}"))
            found: list[Figure] = bench.measure()
        except (AssertionError, RuntimeError, OSError, TimeoutError) as failure:
            print(f"{name}: {failure}", file=sys.stderr)
            status = 2
            continue
        figures += found
        if not arguments.no_write:
            write(name, found)
            if hasattr(bench, "draw"):
                bench.draw(found)
    if figures:
        print("\n".join(table(figures)))
    if status == 0 and any(figure.is_met is False for figure in figures):
        status = 1
    return status


if __name__ == "__main__":
    raise SystemExit(main())
