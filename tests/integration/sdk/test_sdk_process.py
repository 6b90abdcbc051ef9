"""A module as a real process; the test plays the Launcher: environment, boot line, lifeline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOKEN = "a" * 64

TEN_LINES = """
from kite import Module

module = Module()

@module.handle("greet")
def greet(request):
    return {"text": f"hello, {request.data['name']}"}

module.run()
"""

THOROUGH = """
import asyncio, os, sys
from kite import Module

module = Module()

@module.on("crash")
def crash(event):
    raise RuntimeError("as asked")

@module.on("spawn")
async def spawn(event):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)",
        stdout=asyncio.subprocess.PIPE)
    module.publish("spawned", (await child.communicate())[0].decode().strip())

@module.on("cleanup.slow")
def slow(event):
    module.slow = event.data

@module.on_stop(estimated_cleanup=1.5)
async def stop():
    print("stopping")
    await asyncio.sleep(getattr(module, "slow", 0))
    (module.data_dir / "stopped").write_text("yes")

module.run()
"""


async def ended(child: asyncio.subprocess.Process, *, seconds: float = 10.0) -> tuple[int, str]:
    """The exit status and all that it wrote, once it has ended; its lifeline stays open."""
    assert child.stderr is not None
    assert child.stdout is not None
    async with asyncio.timeout(seconds):
        out, err = await asyncio.gather(child.stdout.read(), child.stderr.read())
        status = await child.wait()
    return status, (out + err).decode()


async def test_ten_lines_are_a_module(hub, registry, process) -> None:
    child = await process(TEN_LINES)
    (ready,) = await hub.hear("module.ready", seconds=20)
    assert ready["data"] == {"module_id": "worker", "life": 3}
    await hub.publish(
        "greet", {"name": "Ada"}, source="operator", reply_to="_reply.operator.1", event_id="q"
    )
    (reply,) = await hub.hear("_reply.operator.1")
    assert reply["data"] == {"text": "hello, Ada"}
    order = {"module_id": "worker", "life": 3, "reason": "stop_requested", "timeout": 5}
    await hub.publish("module.shutdown", order)
    (ack,) = await hub.hear("module.shutdown.ack")
    assert ack["data"] == {"module_id": "worker", "life": 3, "estimated_cleanup": 0.0}
    await hub.hear("module.shutdown.ready")
    status, text = await ended(child)
    assert status == 0
    assert text == "info     module.stopping reason=stop_requested\n"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_ready_costs_little(hub, registry, process) -> None:
    child = await process(TEN_LINES)
    await hub.hear("module.ready", seconds=20)
    seconds = cpu_seconds(child.pid)
    # 0.12 s when measured, and -X dev costs some; the bound catches a heavy import, not a busy day.
    assert seconds < 0.6


@pytest.mark.parametrize("how", ["lifeline", "sigterm"])
async def test_going_without_a_word_cleans_up(hub, registry, process, tmp_path, how) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    if how == "lifeline":
        child.stdin.close()
    else:
        child.send_signal(signal.SIGTERM)
    status, text = await ended(child)
    assert (status, text) == (0, "stopping\n")
    assert (tmp_path / "stopped").read_text() == "yes"


async def test_cleanup_after_a_signal_is_bounded(hub, registry, process, tmp_path) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    await hub.publish("cleanup.slow", 60)
    await hub.publish("module.shutdown", {"module_id": "worker", "timeout": 60})
    (ack,) = await hub.hear("module.shutdown.ack")
    assert ack["data"]["estimated_cleanup"] <= 2.0
    assert await child.stdout.readline() == b"stopping\n"
    child.send_signal(signal.SIGTERM)
    begin = asyncio.get_running_loop().time()
    status, text = await ended(child)
    assert asyncio.get_running_loop().time() - begin < 4.0
    assert status == 1
    assert "cleanup.timed_out" in text
    assert not (tmp_path / "stopped").exists()


async def test_sigint_is_not_the_modules(hub, registry, process) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    child.send_signal(signal.SIGINT)
    await hub.publish("spawn")
    (spawned,) = await hub.hear("spawned")
    assert spawned["data"] == "True"  # nor is it kept from the module's own children
    assert child.returncode is None


async def test_handler_failure_is_in_the_log(hub, registry, process) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    await hub.publish("crash")
    await hub.publish("spawn")
    await hub.hear("spawned")
    child.stdin.close()
    status, text = await ended(child)
    assert status == 0
    assert "RuntimeError: as asked" in text
    assert "Traceback" in text


async def test_dead_token_ends_it_with_6(hub, registry, process) -> None:
    hub.tokens.clear()
    child = await process(TEN_LINES)
    status, text = await ended(child)
    assert status == 6
    assert text.startswith("error    the token is missing or not known")
    assert "Traceback" not in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    "boot", [b"\n", b"hello\n", b'{"token": 5}\n', b'{"token": "abc", "life": 1}\n', b"[]\n"]
)
async def test_wrong_boot_line_is_said(hub, registry, process, boot) -> None:
    child = await process(TEN_LINES, boot=boot)
    status, text = await ended(child)
    assert status == 2
    assert "is not a boot line" in text
    assert "Traceback" not in text
    assert hub.handshakes == 0


@pytest.mark.parametrize("kind", ["null", "file"])
async def test_stdin_that_is_no_pipe(hub, registry, process, tmp_path, kind) -> None:
    stdin: Any = subprocess.DEVNULL
    if kind == "file":
        stdin = (tmp_path / "stdin").open("w+b")
    child = await process(TEN_LINES, stdin=stdin)
    status, text = await ended(child)
    assert status == 2
    assert "is not a boot line: it is empty" in text
    if kind == "file":
        stdin.close()


async def test_boot_line_may_come_in_pieces_with_keys_of_tomorrow(hub, registry, process) -> None:
    child = await process(TEN_LINES, boot=b'{"token": "' + TOKEN.encode()[:10])
    await child.stdin.drain()
    child.stdin.write(TOKEN.encode()[10:] + b'", "life": 9, "colour": "blue", "x": [1]}\nmore\n')
    (ready,) = await hub.hear("module.ready", seconds=20)
    assert ready["data"]["life"] == 9
    child.stdin.write(b"and more\n")
    child.stdin.close()
    status, _ = await ended(child)
    assert status == 0


def test_started_by_hand_it_says_what_to_do(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text(TEN_LINES)
    env = {key: text for key, text in os.environ.items() if not key.startswith("KITE_")}
    done = subprocess.run(
        [sys.executable, program],
        env={**env, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2
    assert "was not started by Kite: KITE_MODULE is not set; put its folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_import_kite_costs_nothing_and_module_pulls_in_little() -> None:
    program = (
        "import sys; before = set(sys.modules); import kite; "
        "print(sorted(set(sys.modules) - before)); "
        "from kite import Module; print(' '.join(sys.modules))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    ).stdout.splitlines()
    assert out[0] in ("['__future__', 'kite']", "['kite']")
    loaded = set(out[1].split())
    heavy = {
        "uvloop",
        "starlette",
        "uvicorn",
        "click",
        "rich",
        "yaml",
        "psutil",
        "sqlite3",
        "gettext",
    }
    assert not loaded & heavy
    assert not [
        name for name in loaded if re.match(r"kite\.(cli|launcher|registry|event_hub|model)", name)
    ]


def test_errors_come_from_kite_itself_and_load_no_more_than_they_need() -> None:
    program = (
        "import sys; from kite import KiteError, RequestError; import kite.errors; "
        "assert RequestError is kite.errors.RequestError; "
        "assert KiteError is kite.errors.KiteError; "
        "assert not [name for name in sys.modules if name.startswith('kite.sdk')]; "
        "from kite import *; assert 'Module' in dir() and 'RequestError' in dir()"
    )
    subprocess.run([sys.executable, "-c", program], timeout=20, check=True)


async def test_going_while_the_hub_is_away_is_as_easy(hub, registry, process, tmp_path) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    await hub.stop()
    assert b"connection.lost code=1006" in await child.stderr.readline()
    child.stdin.close()
    status, text = await ended(child)
    assert status == 0
    assert "stopping" in text
    assert (tmp_path / "stopped").exists()
    await hub.start()


async def test_signal_right_after_ready_changes_nothing(hub, registry, process, tmp_path) -> None:
    # The Launcher signals as soon as it has heard module.shutdown.ready. Aim at every moment from
    # the order to the end: each is 0, without a traceback.
    for delay in (0.0, 0.001, 0.003, 0.01, 0.02, 0.03):
        hub.heard.clear()
        child = await process(TEN_LINES)
        await hub.hear("module.ready", seconds=20)
        await hub.publish("module.shutdown", {"module_id": "worker", "life": 3, "timeout": 5})
        await hub.hear("module.shutdown.ready")
        await asyncio.sleep(delay)
        if child.returncode is None:
            # Not `send_signal`, which reaps a child that has just died, and asyncio then knows no
            # status of it but 255.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        status, text = await ended(child)
        assert (status, "Traceback" in text) == (0, False), f"after {delay} s: {text}"


async def test_signal_during_an_orderly_cleanup_lets_it_end(
    hub, registry, process, tmp_path
) -> None:
    child = await process(THOROUGH)
    await hub.hear("module.ready", seconds=20)
    await hub.publish("cleanup.slow", 0.3)
    await hub.publish("module.shutdown", {"module_id": "worker", "timeout": 10})
    assert await child.stdout.readline() == b"stopping\n"
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGTERM)
    child.stdin.close()
    status, text = await ended(child)
    assert (status, "Traceback" in text) == (0, False)
    assert (tmp_path / "stopped").exists()
    await hub.hear("module.shutdown.ready")
