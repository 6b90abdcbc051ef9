"""The command line in surroundings that fail: closed and full streams, full disks, Ctrl-C at once."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KITE = [sys.executable, "-m", "kite.cli.entry"]
DEADLINE = 60.0


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A project in the working directory, with a workspace of its own."""
    folder = tmp_path / "garden"
    folder.mkdir()
    (folder / "kite.yaml").touch()
    monkeypatch.chdir(folder)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KITE_")}
    return {**kept, "KITE_WORKSPACE": str(tmp_path / "workspace"), "KITE_LANG": "en"}


def in_shell(line: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell, in which `kite` is this one."""
    text = line.replace("kite", shlex.join(KITE), 1)
    return call(["sh", "-c", text], environ)


def call(command: list[str], environ: dict[str, str], **more: Any) -> Any:
    return subprocess.run(
        command,
        env=environ,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        **more,
    )


def test_closed_streams_do_not_matter(environ: dict[str, str]) -> None:
    up = in_shell("kite up -d --wait >&- <&-", environ)
    try:
        assert up.returncode == 0, up.stderr
        for line, status in {
            "kite ps >&-": 0,
            "kite ps --json <&- >&- 2>&-": 0,
            "kite ps 2>&-": 0,
            "kite start nobody 2>&-": 1,
        }.items():
            done = in_shell(line, environ)
            assert done.returncode == status, line
            assert "Traceback" not in done.stderr + done.stdout
        assert "launcher" in in_shell("kite ps 2>&-", environ).stdout
    finally:
        down = in_shell("kite down <&- >&- 2>&-", environ)
    assert down.returncode == 0


@pytest.mark.parametrize(
    "verb", ["--help", "--version", "check", "doctor", "ps --help", "check --json"]
)
def test_a_full_output_is_one_error(verb: str, environ: dict[str, str]) -> None:
    done = in_shell(f"kite {verb} >/dev/full", environ)
    if verb == "check":  # which says all it has to say on standard error
        assert done.returncode == 0
        return
    assert done.returncode == 1
    assert "standard output cannot be written: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_standard_error_keeps_the_status(environ: dict[str, str]) -> None:
    assert in_shell("kite ps --nonsense 2>/dev/full", environ).returncode == 2
    assert in_shell("kite ps 2>/dev/full", environ).returncode == 3


def test_a_reader_that_has_had_enough_is_no_error(environ: dict[str, str]) -> None:
    done = in_shell("{ kite --help; echo $? >&2; } | true", environ)
    assert done.stderr == "0\n"


def test_a_launcher_gets_no_socket_where_a_stream_was_closed(environ: dict[str, str]) -> None:
    assert in_shell("kite up -d --wait <&- >&- 2>&-", environ).returncode == 0
    try:
        api = Path(environ["KITE_WORKSPACE"], "garden", "launcher", "api.json")
        descriptors = Path("/proc", str(json.loads(api.read_text())["pid"]), "fd")
        open_on = [str((descriptors / str(number)).readlink()) for number in range(3)]
        assert not [path for path in open_on if path.startswith(("socket:", "anon_inode:"))]
    finally:
        assert in_shell("kite down", environ).returncode == 0


# Ctrl-C comes where the verb's own program is loaded: an import hook sends it there, exactly once.
INTERRUPTED_AT = """
import os, signal, sys
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
from {entry} import main
sys.argv = ["kite", *{arguments!r}]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("kite.errors", ["check"]),
        ("kite.cli.report", ["ps"]),
        ("click", ["check"]),
        ("kite.cli.session", ["up", "-d"]),
        ("kite.cli.up", ["up"]),
        ("kite.model.workspace", ["up"]),
        ("kite.cli.new", ["new", "rose"]),
        ("kite.model.project", ["new", "rose"]),
    ],
)
def test_ctrl_c_while_the_program_is_loaded(
    module: str, arguments: list[str], environ: dict[str, str]
) -> None:
    text = INTERRUPTED_AT.format(module=module, arguments=arguments, entry="kite.cli.entry")
    done = call([sys.executable, "-c", text], environ)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == ""
    assert not Path("modules").exists()


@pytest.mark.parametrize("module", ["kite.launcher.guard", "asyncio", "kite.launcher.assembly"])
def test_ctrl_c_while_the_launcher_is_loaded(module: str, environ: dict[str, str]) -> None:
    instance = Path(environ["KITE_WORKSPACE"], "garden")
    paths = ["--project", ".", "--instance-dir", str(instance), "--workspace", str(instance.parent)]
    text = INTERRUPTED_AT.format(module=module, arguments=paths, entry="kite.launcher.entry")
    done = call([sys.executable, "-c", text], environ)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == ""


def test_ctrl_c_between_kite_up_and_its_launcher(environ: dict[str, str]) -> None:
    """It waits until the Launcher's interpreter is there, and then ends it without a word."""

    def block_and_press() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.kill(os.getpid(), signal.SIGINT)

    command = [sys.executable, "-P", "-m", "kite.launcher.entry"]
    done = call(command, environ, preexec_fn=block_and_press)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == ""


def fill() -> None:
    """Let no file grow: the kernel says EFBIG where a full disk says ENOSPC."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_is_one_line_with_2(environ: dict[str, str]) -> None:
    assert in_shell("kite up -d --wait", environ).returncode == 0
    assert in_shell("kite down", environ).returncode == 0

    for workspace in (environ["KITE_WORKSPACE"], environ["KITE_WORKSPACE"] + "-new"):
        used = {**environ, "KITE_WORKSPACE": workspace}
        for verb in (["up"], ["up", "-d"]):
            done = call([*KITE, *verb], used, preexec_fn=fill)
            assert done.returncode == 2, done.stderr
            assert "Traceback" not in done.stderr
            assert "free some space" in done.stderr
            assert "permissions" not in done.stderr


def test_new_on_a_full_disk_names_the_folder_and_leaves_nothing(environ: dict[str, str]) -> None:
    done = call([*KITE, "new", "rose"], environ, preexec_fn=fill)
    assert done.returncode == 1
    assert f"'{Path.cwd()}/modules/rose' cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path("modules").iterdir())


def test_the_second_of_two_starts_says_who_runs(environ: dict[str, str]) -> None:
    """Several at once: one Kite runs, and the others name it."""
    command = [*KITE, "up", "-d", "--wait"]
    started = [
        subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = [(each.communicate(timeout=DEADLINE)[1], each.returncode) for each in started]
    try:
        instance = Path(environ["KITE_WORKSPACE"], "garden")
        pid = json.loads((instance / "launcher" / "api.json").read_text())["pid"]
        assert sorted(status for _text, status in said) == [0, 5, 5, 5]
        for text, status in said:
            if status == 5:
                assert f"error: Kite is already running here, as process {pid}\n" in text
                assert len(text.splitlines()) == 2, text
        assert (instance / "logs" / "launcher.log").stat().st_mode & 0o777 == 0o600
    finally:
        assert in_shell("kite down", environ).returncode == 0


def test_a_start_while_kite_stops_says_so(environ: dict[str, str]) -> None:
    folder = Path("modules", "slow")
    folder.mkdir(parents=True)
    (folder / "module.md").write_text(
        "---\nname: slow\ncommand: [sh, -c, 'trap \"\" TERM; while :; do read x || sleep 60; done']\n"
        "ready: {log: up}\nstop: {timeout: 3}\n---\n".replace("trap", "echo up; trap")
    )
    up = in_shell("kite up -d --wait", environ)
    assert up.returncode == 0, up.stderr
    down = subprocess.Popen([*KITE, "down"], env=environ, stderr=subprocess.DEVNULL)
    try:
        while (again := in_shell("kite up -d", environ)).returncode == 5:
            if "Kite is stopping here, as process " in again.stderr:
                break
            assert "Kite is already running here, as process " in again.stderr
        assert again.returncode == 5
        assert "Kite is stopping here" in again.stderr
    finally:
        assert down.wait(DEADLINE) == 0


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
@pytest.mark.parametrize("name", ["", "..", "../x"])
def test_what_is_no_name_is_not_asked_for(verb: str, name: str, environ: dict[str, str]) -> None:
    done = call([*KITE, verb, name], environ)
    assert done.returncode == 2
    assert f"error: '{name}' is no name for a module\n" in done.stderr


def test_an_instance_directory_of_another_project_is_named(
    environ: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shared = {**environ, "KITE_INSTANCE_DIR": str(tmp_path / "shared")}
    assert in_shell("kite up -d --wait", shared).returncode == 0
    try:
        assert in_shell(f"kite -C {other} up -d", shared).returncode == 5
        shown = in_shell(f"kite -C {other} ps", shared)
        assert shown.stderr == f"these are the modules of {Path.cwd()}\n"
        assert in_shell("kite ps", shared).stderr == ""
    finally:
        down = in_shell(f"kite -C {other} down", shared)
    assert down.stderr == f"Kite has stopped in {Path.cwd()}\n"
