"""Warm processes: forked from the template, and the same as those with an interpreter of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kite.launcher import adopted, forking, platform_linux, tree
from kite.launcher.process import Exit, Limits
from kite.launcher.warm.nursery import MANY, Nursery
from kite.launcher.warm.template import ANSWERS_WITHIN

from .conftest import Life, Start, children, descriptors, is_alive, until

FACTS = Path(__file__).with_name("facts.py")
ENVIRON = {n: v for n, v in os.environ.items() if not n.startswith(("KITE_", "LISTEN_"))}

OWN_PAGES = """
import asyncio, re
async def speak():
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.close()
async def main():
    global server
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    await asyncio.gather(speak(), asyncio.sleep(0))
asyncio.run(main())
print(re.search(r"Private_Dirty: +([0-9]+)", open("/proc/self/smaps_rollup").read())[1])
"""

Run = Callable[..., Life]


async def come_up(nursery: Nursery, *, but: int = 0) -> int:
    """Wait for a template, other than the one with this pid; its pid."""
    async with asyncio.timeout(30):
        while True:
            template = nursery.template
            if template is not None and template.ground is not None and template.pid != but:
                return template.pid
            await asyncio.sleep(0.005)


@pytest.fixture
async def nursery(start: Start) -> AsyncIterator[Nursery]:
    made = Nursery(None, mark=forking.template_mark())
    await come_up(made)
    yield made
    made.close()


@pytest.fixture
def run(start: Start, nursery: Nursery, tmp_path: Path) -> Run:
    """Starts a program as a file of its own, warm unless it is said to be cold."""

    def started(source: str, *, cold: bool = False, entry: str = "main.py", **keys: object) -> Life:
        file = tmp_path / entry
        if not file.exists() or file.read_text() != source:
            file.write_text(source)
        env = {**ENVIRON, **keys.pop("env", {})}  # type: ignore[dict-item]
        asked = None if cold else nursery
        return start(sys.executable, "-u", str(file), nursery=asked, env=env, **keys)

    return started


async def outcome(life: Life) -> tuple[list[str], list[str], Exit]:
    """Both outputs, without addresses in memory, and the end."""
    how = await life.exit()
    out, err = (
        [re.sub("0x[0-9a-f]+", "0x", line) for line in lines] for lines in (life.out, life.err)
    )
    return out, err, how


# -- the same as cold -----------------------------------------------------------------------------


async def test_it_says_the_same_about_itself(run: Run, nursery: Nursery) -> None:
    """Environment, arguments, paths, descriptors, signals, limits, session, streams, /proc …"""
    told = []
    for cold, many in ((False, 0), (False, MANY), (True, 0)):
        nursery.expect(many)
        life = run(FACTS.read_text(), cold=cold)
        assert (await life.exit()) == Exit(0, None), life.err
        assert life.process.is_warm is not cold, life.process.cold_because
        told.append(json.loads(life.out[0]))
        assert told[-1].pop("pid") == life.process.pid
    *warm_ones, cold_one = told
    for warm in warm_ones:
        assert {name: warm[name] for name in warm if warm[name] != cold_one[name]} == {}
        assert warm.keys() == cold_one.keys()


PROGRAMS = {
    "nothing": "",
    "a number": "import sys; sys.exit(7)",
    "a large number": "import sys; sys.exit(300)",
    "a sentence": "import sys; sys.exit('enough is enough')",
    "None": "raise SystemExit",
    "a traceback": "def f():\n    1 / 0\nf()",
    "a chain": "try:\n    {}['x']\nexcept KeyError as e:\n    raise ValueError('y') from e",
    "a context": "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('k')",
    "a group": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
    "a syntax error": "x = (\n",
    "a null byte": "x = 1\0",
    "a cookie": "# -*- coding: latin-1 -*-\nprint(ascii('ü'))",
    "an interrupt": "raise KeyboardInterrupt",
    "an interrupt from outside": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "a signal": "import os; os.kill(os.getpid(), 9)",
    "an abort": "import os; os.abort()",
    "a hard exit": "import os; print('x', end=''); os._exit(3)",
    "a broken pipe": "import os\nr, w = os.pipe(); os.close(r)\nos.write(w, b'x')",
    "an own hook": "import sys\nsys.excepthook = lambda t, v, b: print(t, v, b.tb_lineno)\n1 / 0",
    "a hook that fails": "import sys\nsys.excepthook = lambda *a: 1 / 0\n{}['x']",
    "at the end": "import atexit\natexit.register(print, 'a'); atexit.register(print, 'b')\nprint(1)",
    "at a bad end": "import atexit\natexit.register(print, 'a')\nraise ValueError",
    "an end that fails": "import atexit\natexit.register(lambda: 1 / 0)",
    "a thread": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nprint('soon')",
    "a daemon thread": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('gone')",
    "a thread that fails": "import threading\nthreading.Thread(target=lambda: 1 / 0, name='t').start()",
    "a destructor": "class A:\n    def __del__(self): print('deleted')\na = A()",
    "a cycle's destructor": "class A:\n    def __del__(self): print('deleted')\n"
    "a = A(); a.a = a; del a",
    "unbuffered": "import sys, os\nsys.stdout.write('a'); os.write(1, b'b'); print('c')",
    "to errors": "import sys\nprint('x', file=sys.stderr, end=''); raise SystemExit(2)",
    "not in Unicode": "import sys\nsys.stdout.buffer.write(b'\\xff\\n'); print('\\u20ac \\U0001f600')",
    "no Unicode at all": "print('\\udcff')",
    "much": "for n in range(20000): print(n, 'x' * 40)",
    "read to the end": "import sys\nprint(sys.stdin.read())",
    "a loop": "import asyncio\nasync def f():\n    await asyncio.sleep(0.01); print('done')\n"
    "asyncio.run(f())",
    "a loop and a child": "import asyncio, sys\nasync def f():\n"
    "    p = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(5)')\n"
    "    print(await p.wait())\nasyncio.run(f())",
    "a subprocess": "import subprocess, sys\n"
    "print(subprocess.run([sys.executable, '-c', 'import sys; print(sys.argv, len(sys.path))'],"
    " capture_output=True))",
    "itself anew": "import os, sys\nif len(sys.argv) == 1:\n"
    "    os.execv(sys.executable, [sys.executable, __file__, 'again'])\nprint(sys.argv[1:])",
    "a fork": "import os\nif os.fork() == 0: print('child'); os._exit(0)\nos.wait(); print('parent')",
    "many processes": "import multiprocessing as m\ndef f(x): return x * x\n"
    "if __name__ == '__main__':\n    for way in ('spawn', 'fork', 'forkserver'):\n"
    "        with m.get_context(way).Pool(2) as pool: print(way, pool.map(f, range(5)))",
    "a pool of processes": "from concurrent.futures import ProcessPoolExecutor as P\n"
    "def f(x): return -x\nif __name__ == '__main__':\n    with P(1) as p: print(list(p.map(f, [1, 2])))",
    "a pickle": "import pickle\nclass A: pass\nprint(pickle.loads(pickle.dumps(A())).__class__)",
    "a neighbour": "import neighbour\nprint(neighbour.NAME, neighbour.__file__)",
    "no neighbour": "import no_such_neighbour",
    "its own name": "import __main__, sys\nprint(__main__.__file__ == __file__, __name__, vars(__main__)"
    " is globals(), sys.modules['__main__'] is __main__)",
    "its source": "import inspect, linecache\ndef f(): return 1\nprint(inspect.getsource(f))",
    "no recursion": "def f(): f()\ntry: f()\nexcept RecursionError as e: print(e)",
    "a warning": "import warnings\ndef f(): warnings.warn('careful')\nf()",
    "a log": "import logging\nlogging.warning('w'); logging.basicConfig(level=20); logging.info('i')",
    "an annotation": "x: int = 1\nprint(__annotations__)",
    "a closed output": "import sys\nsys.stdout.close()",
    "an alarm": "import signal, time\nsignal.alarm(1); time.sleep(30)",
}


@pytest.mark.parametrize("part", range(4))
async def test_it_does_the_same(run: Run, nursery: Nursery, tmp_path: Path, part: int) -> None:
    """The same words on both outputs, the same end; after a rehearsal, too."""
    nursery.expect(MANY)

    async def says(name: str, *, cold: bool) -> object:
        folder = tmp_path / str(names.index(name))
        folder.mkdir(exist_ok=True)
        (folder / "neighbour.py").write_text("NAME = 'beside'")
        life = run(PROGRAMS[name], cold=cold, entry=f"{folder.name}/main.py")
        assert life.process.is_warm is not cold, life.process.cold_because
        life.process.close_stdin()
        return await outcome(life)

    names = list(PROGRAMS)[part::4]
    warm = await asyncio.gather(*(says(name, cold=False) for name in names))
    cold = await asyncio.gather(*(says(name, cold=True) for name in names))
    assert dict(zip(names, warm, strict=True)) == dict(zip(names, cold, strict=True))


async def test_two_of_them_have_nothing_in_common(run: Run) -> None:
    """Random numbers, keys and temporary names are everybody's own."""
    source = (
        "import random, secrets, tempfile, uuid, multiprocessing, hashlib\n"
        "print(random.random(), secrets.token_hex(8), uuid.uuid4(), tempfile.mktemp(),"
        " hashlib.sha256(multiprocessing.current_process().authkey).hexdigest())"
    )
    lives = [run(source) for _ in range(2)]
    first, second = [(await outcome(life))[0][0].split() for life in lives]
    assert all(mine != yours for mine, yours in zip(first, second, strict=True))


async def test_a_socket_is_handed_over(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        life = run(
            "import os, socket\n"
            "assert os.environ['LISTEN_PID'] == str(os.getpid())\n"
            "assert os.environ['LISTEN_FDS'] == '1'\n"
            "print(sorted(map(int, os.listdir('/proc/self/fd')))[:4])\n"
            "print(socket.socket(fileno=3).getsockname()[1])",
            listener=listener,
        )
        assert life.process.is_warm
        assert await outcome(life) == (
            ["[0, 1, 2, 3]", str(listener.getsockname()[1])],
            [],
            Exit(0, None),
        )


async def test_a_limit_of_files_holds(run: Run) -> None:
    life = run("import resource; print(resource.getrlimit(7))", limits=Limits(files=99))
    assert life.process.is_warm
    assert (await outcome(life))[0] == ["(99, 99)"]


async def test_empty_standard_input(run: Run) -> None:
    life = run(
        "import os, sys; print(repr(sys.stdin.read()), os.readlink('/proc/self/fd/0'))", stdin=False
    )
    assert life.process.is_warm
    assert (await outcome(life))[0] == ["'' /dev/null"]


async def test_the_linked_file_decides_what_lies_beside_it(
    run: Run, start: Start, nursery: Nursery, tmp_path: Path
) -> None:
    """As with any interpreter: the folder of the file itself is searched, not that of the link."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "beside.py").write_text("")
    (elsewhere / "real.py").write_text("import beside; print(beside.__file__, __file__)")
    (tmp_path / "link.py").symlink_to(elsewhere / "real.py")
    words = (sys.executable, "-u", str(tmp_path / "link.py"))
    said = []
    for asked in (nursery, None):
        life = start(*words, env=ENVIRON, nursery=asked)
        said.append(await outcome(life))
    assert said[0] == said[1]


# -- the Launcher's own ---------------------------------------------------------------------------


SLEEPS = "print('up', flush=True)\nimport time\ntime.sleep(60)"


async def test_the_launcher_watches_and_reaps_it_like_any_other(run: Run, nursery: Nursery) -> None:
    life = run(SLEEPS)
    await life.line("up")
    seen = platform_linux.stat(life.process.pid)
    assert seen is not None
    assert (seen.parent, seen.session, seen.group) == (os.getpid(), seen.pid, seen.pid)
    assert seen.start_time == life.process.start_time
    assert platform_linux.mark_of(seen.pid) == life.process.kin.mark
    assert life.process.signal(signal.SIGTERM)
    assert await life.exit() == Exit(None, signal.SIGTERM)
    adopted.reap()
    dead = platform_linux.stat(seen.pid)
    assert dead is not None
    assert dead.state == "Z"
    life.process.close()
    assert platform_linux.stat(seen.pid) is None


async def test_the_template_is_nobodys_kin(run: Run, nursery: Nursery) -> None:
    life = run(SLEEPS)
    await life.line("up")
    assert nursery.template is not None
    assert tree.members(life.process.kin) == [life.process.pid]
    assert await tree.end_tree(life.process.kin) == []
    assert is_alive(nursery.template.pid)


@pytest.mark.parametrize("keeps_mark", [True, False], ids=["marked", "unmarked"])
async def test_what_it_leaves_behind_is_found(run: Run, keeps_mark: bool) -> None:
    """A grandchild in a session of its own with an empty environment, and perhaps no mark."""
    life = run(
        "import os, resource, time\n"
        + ("" if keeps_mark else "resource.setrlimit(resource.RLIMIT_RTTIME, (99, 99))\n")
        + "if os.fork() == 0:\n"
        "    os.setsid()\n"
        + ("    if os.fork() == 0:\n" if keeps_mark else "    if True:\n")
        + "        print(os.getpid(), flush=True)\n"
        "        os.execve('/bin/sleep', ['sleep', '60'], {})\n"
        "    os._exit(0)\n"
        "time.sleep(60)"
    )
    grandchild = int(await life.line(""))
    assert await tree.end_tree(life.process.kin) == []
    assert not is_alive(grandchild)


async def test_it_holds_nothing_of_the_template_open(run: Run, nursery: Nursery) -> None:
    life = run(SLEEPS)
    await life.line("up")
    assert nursery.template is not None
    assert sorted(descriptors(life.process.pid)) == ["0", "1", "2"]
    assert sorted(descriptors(nursery.template.pid)) == ["0", "1", "2", "3"]
    assert len(os.listdir(f"/proc/{nursery.template.pid}/task")) == 1  # noqa: PTH208
    seen = platform_linux.stat(nursery.template.pid)
    assert seen is not None
    assert seen.session == seen.pid


async def test_closing_leaves_nothing(start: Start) -> None:
    nursery = Nursery(None, mark=forking.template_mark())
    pid = await come_up(nursery)
    nursery.close()
    assert not is_alive(pid)
    assert children(os.getpid()) == []


# -- cold instead ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"env": {"PYTHONPATH": "/elsewhere"}}, "PYTHONPATH"),
        ({"limits": Limits(memory=1 << 30)}, "memory"),
        ({"env": {f"LARGE_{n}": "x" * 120_000 for n in range(10)}}, "large"),
    ],
)
async def test_where_it_could_differ_it_is_cold(
    run: Run, keys: dict[str, object], reason: str
) -> None:
    life = run("print('ran')", **keys)
    assert not life.process.is_warm
    assert reason in life.process.cold_because
    assert (await outcome(life))[0] == ["ran"]


async def test_a_shadowed_module_is_the_programs_own(run: Run, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("WHOSE = 'mine'")
    life = run("import json; print(json.WHOSE)")
    assert "json.py" in life.process.cold_because
    assert (await outcome(life))[0] == ["mine"]


async def test_a_folder_that_does_not_exist_is_told_as_ever(
    start: Start, nursery: Nursery, tmp_path: Path
) -> None:
    with pytest.raises(forking.ModuleError) as caught:
        start(str(tmp_path / "none"), "-u", "x.py", nursery=nursery, env=ENVIRON)
    assert caught.value.code == "program_not_found"


async def test_a_template_that_hangs_is_replaced(run: Run, nursery: Nursery) -> None:
    """Its order is carried out once, cold, and not again when it would have woken up."""
    assert nursery.template is not None
    pid = nursery.template.pid
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    life = run("print('ran')")
    assert time.monotonic() - began < 10 * ANSWERS_WITHIN
    assert "not answered" in life.process.cold_because
    assert await outcome(life) == (["ran"], [], Exit(0, None))
    assert not is_alive(pid)
    await come_up(nursery, but=pid)
    assert run(SLEEPS).process.is_warm


async def test_a_template_that_was_killed_is_replaced(run: Run, nursery: Nursery) -> None:
    """Whether that is noticed before the next order or by it."""
    for is_noticed in (True, False):
        assert nursery.template is not None
        pid = nursery.template.pid
        os.kill(pid, signal.SIGKILL)
        if is_noticed:
            await until(lambda: nursery.template is None or nursery.template.pid != pid)  # noqa: B023
        life = run("print('ran')")
        assert not life.process.is_warm
        assert (await outcome(life))[0] == ["ran"]
        await come_up(nursery, but=pid)
    assert run(SLEEPS).process.is_warm


async def test_without_processes_to_be_had_it_says_so(run: Run, nursery: Nursery) -> None:
    """The template may have no further process: the Launcher tries by itself."""
    assert nursery.template is not None
    before = resource.prlimit(nursery.template.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(nursery.template.pid, resource.RLIMIT_NOFILE, (4, before[1]))
    life = run("print('ran')")
    assert not life.process.is_warm
    assert (await outcome(life))[0] == ["ran"]


async def test_after_a_rehearsal_it_writes_to_fewer_pages(run: Run, nursery: Nursery) -> None:
    copied = []
    for many in (MANY - 1, MANY, 10 * MANY):
        nursery.expect(many)
        life = run(OWN_PAGES)
        assert life.process.is_warm
        copied.append(int((await outcome(life))[0][0]))
    fresh, rehearsed, again = copied
    assert rehearsed < 0.9 * fresh
    assert again == pytest.approx(rehearsed, rel=0.05), "once is enough"


async def test_a_later_template_rehearses_too(run: Run, nursery: Nursery) -> None:
    fresh = int((await outcome(run(OWN_PAGES)))[0][0])
    nursery.expect(MANY)
    assert nursery.template is not None
    pid = nursery.template.pid
    os.kill(pid, signal.SIGKILL)
    await come_up(nursery, but=pid)
    assert int((await outcome(run(OWN_PAGES)))[0][0]) < 0.9 * fresh


async def test_many_at_once(run: Run, tmp_path: Path) -> None:
    lives = [run("import os; print(os.getpid())") for _ in range(40)]
    said = [await outcome(life) for life in lives]
    assert all(life.process.is_warm for life in lives)
    assert [int(out[0]) for out, _, _ in said] == [life.process.pid for life in lives]
