"""A module's whole tree: found wherever it hides, ended so that nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable

import pytest

from kite.launcher import adopted, listeners, platform_linux, tree

from .conftest import Life, Start, folder_of, is_alive, popen, until

# Double-forked, in a session of its own, with a cleared environment, ignoring SIGTERM, holding
# none of the module's pipes.
HIDDEN = (
    "(exec env -i PATH=$PATH setsid sh -c 'trap \"\" TERM; echo hidden $$ > hidden; exec sleep 600'"
    " >/dev/null 2>&1 </dev/null &)"
)


async def hidden_pid(life: Life) -> int:
    folder = folder_of(life.process.pid)
    found: list[int] = []

    def is_there() -> bool:
        try:
            found[:] = [int(word) for word in (folder / "hidden").read_text().split()[1:]]
        except OSError:
            return False
        return bool(found)

    await until(is_there)
    return found[0]


async def test_a_hidden_grandchild_is_found_and_ended(start: Start) -> None:
    life = start("sh", "-c", f"{HIDDEN}; exec sleep 600")
    hidden = await hidden_pid(life)
    environment = platform_linux.environment(hidden)
    assert environment is not None
    assert "KITE_INSTANCE" not in environment
    assert os.getsid(hidden) != life.process.pid
    both = sorted([life.process.pid, hidden])
    await until(lambda: tree.members(life.process.kin) == both)  # the one between them goes
    assert await tree.end_tree(life.process.kin) == []
    assert not is_alive(hidden)


async def test_a_hidden_grandchild_is_found_after_its_leader_has_died(start: Start) -> None:
    life = start("sh", "-c", f"{HIDDEN}; exec sleep 600")
    hidden = await hidden_pid(life)
    os.kill(life.process.pid, signal.SIGKILL)
    await life.exit()
    await until(lambda: tree.members(life.process.kin) == [hidden])
    assert await tree.end_tree(life.process.kin) == []
    assert not is_alive(hidden)


async def test_a_life_that_leaves_nothing_takes_no_look_at_all_processes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = start("sleep", "600")
    life = start("true")
    await life.exit()
    with monkeypatch.context() as patch:
        patch.setattr(platform_linux, "pids", pytest.fail)
        assert await tree.end_tree(life.process.kin) == []
    assert is_alive(other.process.pid)
    assert not tree.is_gone(other.process.kin)


@pytest.mark.parametrize("lives", [True, False])
async def test_an_orphan_is_reason_for_a_look(start: Start, lives: bool) -> None:
    """Whosever it is, and also while it is dead and not reaped: it may have had a child itself."""
    life = start("sh", "-c", "(exec sleep 600 >/dev/null 2>&1 </dev/null &)")
    await life.exit()
    [orphan] = set(platform_linux.children() or ()) - {life.process.pid}
    if not lives:
        os.kill(orphan, signal.SIGKILL)
        await until(lambda: not is_alive(orphan))
    assert not tree.is_gone(life.process.kin)
    assert await tree.end_tree(life.process.kin) == []
    assert not is_alive(orphan)
    adopted.reap()
    assert tree.is_gone(life.process.kin)


async def test_without_the_kernels_list_of_children_nothing_is_certain(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = start("true")
    await life.exit()
    assert tree.is_gone(life.process.kin)
    monkeypatch.setattr(platform_linux, "children", lambda: None)
    assert not tree.is_gone(life.process.kin)
    assert await tree.end_tree(life.process.kin) == []


async def test_lives_of_one_module_stay_apart(start: Start) -> None:
    former = start("sh", "-c", "sleep 600 & echo up; wait")
    newer = start("sh", "-c", "sleep 600 & echo up; wait")
    await former.line("up")
    await newer.line("up")
    before = tree.members(newer.process.kin)
    assert len(before) == 2
    assert await tree.end_tree(former.process.kin) == []
    assert tree.members(newer.process.kin) == before


async def test_a_tree_that_ignores_everything_is_gone_within_moments(start: Start) -> None:
    source = (
        "trap '' TERM INT HUP; (trap '' TERM; sleep 600) & (setsid sleep 600 &) ; echo up; wait"
    )
    life = start("sh", "-c", source)
    await life.line("up")
    assert await tree.end_tree(life.process.kin) == []
    assert tree.members(life.process.kin) == []


async def test_stopped_processes_are_ended_too(start: Start) -> None:
    life = start("sh", "-c", "sleep 600 & echo up; wait")
    await life.line("up")
    life.process.signal(signal.SIGSTOP)
    assert await tree.end_tree(life.process.kin) == []


async def test_a_bounded_fork_bomb_is_ended(start: Start) -> None:
    # Each forks a successor and goes, so at no moment is the same process there twice.
    source = (
        "import os, time\n"
        "os.setpriority(os.PRIO_PROCESS, 0, 10)\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0: break\n"
        "print('up', flush=True)\n"
        "end = time.monotonic() + 20\n"
        "while time.monotonic() < end:\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
    )
    life = start(python=source)
    await life.line("up")
    assert await tree.end_tree(life.process.kin, timeout=10) == []
    assert tree.members(life.process.kin) == []


async def test_a_process_that_lies_about_its_environment_is_not_touched(
    start: Start,
) -> None:
    stranger = popen("sleep", "600", env={"KITE_INSTANCE": "other", "KITE_MODULE": "m"})
    try:
        life = start("sleep", "600")
        assert await tree.end_tree(life.process.kin) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


async def test_what_has_no_mark_is_found_by_session_descent_and_environment(start: Start) -> None:
    # A program that sets the limit itself (as a login does) loses the mark.
    unmark = "import resource as r; r.setrlimit(r.RLIMIT_RTTIME, (-1, -1)); import os, time\n"
    source = (
        unmark
        + "if os.fork() == 0:\n"
        + "    os.setsid()\n"
        + "    if os.fork() == 0:\n"
        + "        print('deep', os.getpid(), flush=True); time.sleep(600)\n"
        + "    os._exit(0)\n"
        + "os.wait(); time.sleep(600)\n"
    )
    life = start(python=source)
    deep = int((await life.line("deep")).split()[1])
    assert platform_linux.mark_of(deep) is None
    both = sorted([life.process.pid, deep])
    await until(lambda: tree.members(life.process.kin) == both)  # the one between them goes
    assert await tree.end_tree(life.process.kin) == []


async def test_strays_are_all_that_is_below_but_the_spared(start: Start) -> None:
    spared = start("sh", "-c", "sleep 600 & echo up; wait")
    await spared.line("up")
    stray = popen("env", "-i", "/bin/sleep", "600")
    assert await tree.end_strays(spare=[spared.process.pid]) == []
    assert not is_alive(stray.pid)
    stray.communicate()
    assert len(tree.members(spared.process.kin)) == 2


async def test_survivors_are_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    life = start("sleep", "600")
    with monkeypatch.context() as patch:
        # Nobody can be made unkillable here: the signals are what is taken away.
        patch.setattr(platform_linux, "signal_pidfd", lambda *_: False)
        assert await tree.end_tree(life.process.kin, timeout=0.2) == [life.process.pid]
    assert await tree.end_tree(life.process.kin) == []


async def test_a_pid_that_is_used_anew_is_not_signalled(start: Start) -> None:
    life = start("sleep", "600")
    pid, started = life.process.pid, life.process.start_time
    assert not platform_linux.signal_exactly(pid, started + 1, signal.SIGKILL)
    assert is_alive(pid)
    assert platform_linux.signal_exactly(pid, started, signal.SIGKILL)
    await life.exit()


async def test_nobody_is_called_a_survivor_who_was_not_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine the first look alone may take longer than there is time."""
    life = start("sleep", "600")
    slow, now = asyncio.get_running_loop(), 0.0
    began = slow.time()

    def later() -> float:
        nonlocal now
        now += 10.0
        return began + now

    with monkeypatch.context() as patch:
        patch.setattr(tree.asyncio, "get_running_loop", lambda: Clocked(slow, later))
        assert await tree.end_tree(life.process.kin, timeout=3.0) == []
    assert not is_alive(life.process.pid)


class Clocked:
    """A loop by whose clock everything takes ten seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self.time = clock

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)


LISTEN = (
    "import socket, time\n"
    "server = socket.create_server(('127.0.0.1', 0))\n"
    "print('port', server.getsockname()[1], flush=True)\n"
    "time.sleep(600)\n"
)


async def test_a_port_belongs_to_the_tree_that_listens_on_it(start: Start) -> None:
    life = start("sh", "-c", 'python3 -c "$0" & wait', LISTEN)
    other = start("sleep", "600")
    port = int((await life.line("port")).split()[1])
    assert listeners.owns_port(life.process.kin, port)
    assert not listeners.owns_port(other.process.kin, port)
    assert listeners.listening_ports(tree.members(life.process.kin)) == {port}
    with socket.create_server(("127.0.0.1", 0)) as mine:
        assert not listeners.owns_port(life.process.kin, mine.getsockname()[1])
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as mine:
        assert mine.getsockname()[1] in listeners.listening_ports([os.getpid()])
    await asyncio.sleep(0)
