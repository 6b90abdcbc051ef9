"""What modules print is captured for life, and a flood drowns nobody."""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from pathlib import Path

from kite.launcher.log_writer import LogWriter
from kite.launcher.logfile import LogLimits
from kite.launcher.output import Capture

from .conftest import Start


async def test_both_outputs_are_told_apart_and_the_last_partial_line_comes(start: Start) -> None:
    life = start("sh", "-c", "echo out; echo err >&2; printf 'no end'; printf '\\377' >&2")
    await life.exit()
    assert life.out == ["out", "no end"]
    assert life.err == ["err", "�"]


async def test_the_last_words_before_a_kill_are_there(start: Start) -> None:
    life = start(
        python="import os\nfor n in range(5000): os.write(1, b'%d\\n' % n)\nos.kill(os.getpid(), 9)"
    )
    await life.exit()
    assert life.out == [str(n) for n in range(5000)]


async def test_finishing_does_not_wait_for_a_grandchild_with_the_pipe(start: Start) -> None:
    life = start("sh", "-c", "echo before; sleep 60 & exit 3")
    async with asyncio.timeout(5):
        assert (await life.exit()).exit_code == 3
    assert life.out == ["before"]


async def test_a_closed_output_is_no_end_of_the_module(start: Start) -> None:
    life = start("sh", "-c", "exec >&-; echo still here >&2; read line")
    await life.line("still here")
    used = time.process_time()
    await asyncio.sleep(0.2)
    assert time.process_time() - used < 0.1  # the closed pipe wakes nobody
    assert life.process.exit is None


async def test_module_floods_stdout(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    writer = LogWriter(folder, LogLimits(size=2**20, count=2, total=8 * 2**20))
    lost: list[int] = []
    flood = start("yes", module="flood", captured=False)
    flood.capture = Capture(
        flood.process.stdout,
        flood.process.stderr,
        on_lines=lambda is_error, lines: writer.lines("flood", is_error, lines),
        on_dropped=lost.append,
    )
    quiet = start("sh", "-c", "while read line; do echo $line; done")
    took: list[float] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        started = time.perf_counter()
        quiet.process.write_line(f"ping {len(took)}.\n".encode())
        await quiet.line(f"ping {len(took)}.")
        quiet.out.clear()
        took.append(time.perf_counter() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    flood.process.signal(signal.SIGKILL)
    await flood.exit()
    await writer.flushed()
    writer.close()
    assert len(took) > 50  # how soon each came is measured by `./dev bench logs`
    assert grown < 40 * 1024  # KiB
    assert sum(lost) > 0
    names = {path.name.removesuffix(".gz") for path in folder.iterdir()} - {"flood.log.part"}
    assert names == {"flood.log", "flood.log.1", "flood.log.2"}
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 4 * 2**20
