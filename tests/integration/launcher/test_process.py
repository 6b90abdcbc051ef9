"""One process of a module: how it begins, how it is talked to, how its end is noticed."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from kite.errors import ModuleError
from kite.launcher import adopted, cold, file_limit, platform_linux, tree
from kite.launcher.process import Exit, Limits

from .conftest import Start, children, is_alive, until

FACTS = Path(__file__).with_name("facts.py")


@pytest.fixture(autouse=True, params=["compiled", "by programs"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here is true with and without a compiler."""
    if request.param == "by programs":
        monkeypatch.setattr(cold, "_spawn", None)
    elif cold._spawn is None:
        pytest.skip("the package was built without a compiler")


async def test_it_gets_exactly_its_environment_folder_and_session(
    start: Start, tmp_path: Path
) -> None:
    life = start(
        python="import os, json; print(json.dumps([dict(os.environ), os.getcwd(), os.getsid(0),"
        " os.getpgrp(), os.getpid(), sorted(map(int, os.listdir('/proc/self/fd')))]))"
    )
    env, cwd, session, group, pid, descriptors = json.loads(await life.line("["))
    env.pop("LC_CTYPE", None)  # the interpreter sets it for itself
    assert env == {
        "PATH": os.environ["PATH"],
        "KITE_INSTANCE": "test-instance",
        "KITE_MODULE": "m",
    }
    assert Path(cwd) == tmp_path
    assert session == group == pid == life.process.pid
    assert descriptors[:3] == [0, 1, 2]
    assert len(descriptors) == 4  # the fourth is the look itself


async def test_words_are_words_and_no_shell_reads_them(start: Start) -> None:
    life = start("printf", "%s\\n", "$HOME; `id` 'x' *")
    assert await life.line("$HOME") == "$HOME; `id` 'x' *"


async def test_the_boot_line_arrives_and_the_lifeline_stays(start: Start) -> None:
    life = start(python="import sys; print(input(), flush=True); print(repr(sys.stdin.read()))")
    life.process.write_line(b'{"token":"abc"}\n')
    assert await life.line("token") == '{"token":"abc"}'
    assert life.process.exit is None
    life.process.close_stdin()
    assert await life.exit() == Exit(0, None)
    assert life.out[1] == "''"


async def test_a_child_that_never_reads_holds_up_nobody(start: Start) -> None:
    life = start("sleep", "60")
    started = time.perf_counter()
    life.process.write_line(b"x" * 300_000 + b"\n")
    assert time.perf_counter() - started < 5  # it would take sixty
    life.process.close_stdin()


async def test_a_long_boot_line_goes_through_piece_by_piece(start: Start) -> None:
    life = start(python="import sys, time; time.sleep(0.1); print(len(sys.stdin.readline()))")
    life.process.write_line(b"x" * 500_000 + b"\n")
    assert await life.line("500001")


async def test_what_a_child_does_not_take_is_bounded(start: Start) -> None:
    life = start("sleep", "60")
    life.process.write_line(b"x" * 900_000)
    with pytest.raises(ModuleError):
        life.process.write_line(b"x" * 900_000)


async def test_writing_to_a_child_that_closed_its_input_is_no_error(start: Start) -> None:
    life = start(python="import os, time; os.close(0); print('closed', flush=True); time.sleep(60)")
    await life.line("closed")
    life.process.write_line(b"late\n")
    life.process.write_line(b"later\n")
    life.process.close_stdin()


async def test_an_empty_standard_input_ends_at_once(start: Start) -> None:
    life = start(
        python="import sys, os; print(repr(sys.stdin.read()), os.readlink('/proc/self/fd/0'))",
        stdin=False,
    )
    assert await life.line("''") == "'' /dev/null"
    life.process.write_line(b"nobody reads this\n")


async def test_a_listening_socket_is_handed_over_with_connections_kept(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        source = (
            "import os, socket, sys\n"
            "assert os.environ['LISTEN_PID'] == str(os.getpid())\n"
            "assert os.environ['LISTEN_FDS'] == '1'\n"
            "boot = input()\n"
            "server = socket.socket(fileno=3)\n"
            "peer, _ = server.accept()\n"
            "peer.sendall(boot.encode()); peer.close()\n"
            "sys.stdin.read()\n"
        )
        for number in (1, 2):  # the second life takes over the same socket
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            life = start(python=source, listener=listener)
            life.process.write_line(f"boot {number}\n".encode())
            async with asyncio.timeout(10):
                assert await reader.read() == f"boot {number}".encode()
            writer.close()
            await writer.wait_closed()
            life.process.close_stdin()
            assert await life.exit() == Exit(0, None)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("exit(7)", Exit(7, None)),
        ("", Exit(0, None)),
        ("import os; os.kill(os.getpid(), 9)", Exit(None, 9)),
        ("import os; os.abort()", Exit(None, 6)),
    ],
)
async def test_how_it_ended_is_told(start: Start, source: str, expected: Exit) -> None:
    told: list[Exit] = []
    life = start(python=source, on_exit=told.append)
    assert await life.exit() == expected
    assert told == [expected]


async def test_an_exit_is_seen_at_once_whatever_holds_the_pipes(start: Start) -> None:
    life = start("sh", "-c", "sleep 60 & echo up; exec sleep 61")
    await life.line("up")
    waited: list[float] = []
    started = time.perf_counter()
    os.kill(life.process.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await life.process.exited
    waited.append(time.perf_counter() - started)
    assert waited[0] < 0.1  # 0.5 ms on an idle machine
    life.capture.finish()


async def test_the_dead_leader_keeps_its_pid_until_it_is_let_go(start: Start) -> None:
    life = start("true")
    await life.exit()
    adopted.reap()  # what reaps orphans does not steal it
    seen = platform_linux.stat(life.process.pid)
    assert seen is not None
    assert seen.state == "Z"
    life.process.close()
    assert platform_linux.stat(life.process.pid) is None
    assert life.process.signal(signal.SIGTERM) is False  # and nobody else is hit now


async def test_a_signal_goes_to_the_whole_group(start: Start) -> None:
    life = start("sh", "-c", "sleep 60 & echo $!; wait")
    child = int(await life.line(""))
    assert life.process.signal(signal.SIGTERM)
    assert await life.exit() == Exit(None, signal.SIGTERM)
    await until(lambda: not is_alive(child))


async def test_ignored_signals_of_python_are_not_inherited(start: Start) -> None:
    life = start("grep", "SigIgn", "/proc/self/status")
    ignored = int((await life.line("SigIgn")).split()[1], 16)
    assert not ignored & 1 << signal.SIGPIPE - 1


async def test_limits_stand_before_the_program_runs(start: Start) -> None:
    life = start("sh", "-c", "ulimit -n; ulimit -d", limits=Limits(files=77, memory=512 * 2**20))
    await life.exit()
    assert life.out == ["77", str(512 * 1024)]


async def test_a_limit_above_the_launchers_own_is_that_one(start: Start) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    life = start("sh", "-c", "ulimit -n", limits=Limits(files=hard * 2))
    await life.exit()
    assert life.out == [str(hard)]


async def test_a_child_that_cannot_be_watched_does_not_run(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(pid: int) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", refused)
        with pytest.raises(ModuleError) as caught:
            start("sleep", "60")
    assert caught.value.code == "spawn_failed"
    assert "Too many open files" in str(caught.value)
    assert children(os.getpid()) == []


async def test_the_raised_limit_of_the_launcher_is_not_passed_on(start: Start) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == hard
    life = start("sh", "-c", "ulimit -n")
    await life.exit()
    assert file_limit._before is not None
    assert life.out == [str(file_limit._before[0])]
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("no-such-program-anywhere",), "program_not_found"),
        (("./missing",), "program_not_found"),
        (("./text",), "not_executable"),
        (("./lost",), "bad_interpreter"),
        (("/bin/echo", "nul\0byte"), "spawn_failed"),
    ],
)
async def test_what_cannot_be_started_says_why(
    start: Start, tmp_path: Path, argv: tuple[str, ...], code: str
) -> None:
    (tmp_path / "text").write_text("hello")
    lost = tmp_path / "lost"
    lost.write_text("#!/no/such/interpreter\n")
    lost.chmod(0o755)
    with pytest.raises(ModuleError) as caught:
        start(*argv)
    assert caught.value.code == code


async def test_both_ways_it_says_the_same_about_itself(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, arguments, paths, descriptors, signals, limits, session, streams, /proc …"""
    told = []
    for way in (cold._spawn, None):
        monkeypatch.setattr(cold, "_spawn", way)
        life = start(sys.executable, str(FACTS), limits=Limits(files=123))
        assert await life.exit() == Exit(0, None), life.err
        told.append(json.loads(life.out[0]))
        assert told[-1].pop("pid") == life.process.pid
    first, second = told
    assert {name: first[name] for name in first if first[name] != second[name]} == {}


async def test_it_dies_with_the_thread_that_started_it(tmp_path: Path) -> None:
    if not platform_linux.parent_death_prefix():
        pytest.skip("setpriv is not here")
    source = """
import asyncio, os, pathlib
from kite.launcher.process import Spawn, spawn
async def main():
    process = spawn(Spawn(instance="i", module="m", life=1, argv=("sleep", "60"), stdin=False,
                    cwd=pathlib.Path("/"), env={"PATH": os.environ["PATH"]}))
    print(process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    launcher = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=asyncio.subprocess.PIPE
    )
    assert launcher.stdout is not None
    pid = int(await launcher.stdout.readline())
    assert is_alive(pid)
    launcher.kill()
    await launcher.wait()
    await until(lambda: not is_alive(pid))
    adopted.reap()


async def test_orphans_that_die_are_reaped_without_touching_own_ones(start: Start) -> None:
    loop = asyncio.get_running_loop()
    stop = tree.start_reaping(loop)
    try:
        own = start("true")
        life = start("sh", "-c", "(sh -c 'echo $$; exec sleep 0.05' &) ; exec sleep 60")
        orphan = int(await life.line(""))
        await until(lambda: platform_linux.stat(orphan) is None)
        assert await own.exit() == Exit(0, None)
    finally:
        stop()
