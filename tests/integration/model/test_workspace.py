"""Where projects and instances are, with real directories and processes."""

from __future__ import annotations

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kite.errors import ConfigError, RequestError
from kite.model.instance_lock import InstanceLock, holder
from kite.model.workspace import (
    claim_instance_dir,
    find_instance_dir,
    home_dir,
    owner,
    project_dir,
    workspace_dir,
)

NAMES = json.loads(
    (Path(__file__).parents[3] / "protocol/vectors/instance_names.json").read_text()
)["claims"]


def environ(workspace: Path, **more: str) -> dict[str, str]:
    return {"KITE_WORKSPACE": str(workspace), "HOME": str(workspace.parent), **more}


class TestProjectDir:
    def test_what_is_named_wins(self, tmp_path: Path) -> None:
        for name in ("named", "env", "here"):
            (tmp_path / name).mkdir()
        env = {"KITE_CWD": str(tmp_path / "env")}
        here = tmp_path / "here"
        assert project_dir(tmp_path / "named", environ=env, cwd=here) == tmp_path / "named"
        assert project_dir("../named", environ=env, cwd=here) == tmp_path / "named"
        assert project_dir(environ=env, cwd=here) == tmp_path / "env"
        assert project_dir(environ={}, cwd=here) == here

    def test_the_nearest_ancestor_with_a_project_file(self, tmp_path: Path) -> None:
        deep = tmp_path / "a" / "b" / "c"
        deep.mkdir(parents=True)
        (tmp_path / "kite.yaml").touch()
        assert project_dir(environ={}, cwd=deep) == tmp_path
        (tmp_path / "a" / "kite.yaml").touch()
        assert project_dir(environ={}, cwd=deep) == tmp_path / "a"
        (deep / "kite.yaml").mkdir()
        assert project_dir(environ={}, cwd=deep) == tmp_path / "a"

    def test_links_are_resolved(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        assert project_dir("link", environ={}, cwd=tmp_path) == tmp_path / "real"

    def test_what_is_no_directory_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "loop").symlink_to("loop")
        for name in ("missing", "file", "loop"):
            with pytest.raises(ConfigError) as raised:
                project_dir(name, environ={}, cwd=tmp_path)
            assert raised.value.code == "project_dir_missing"
            assert raised.value.kind.exit == 2

    def test_a_path_that_is_not_text_is_refused_and_shown(self, tmp_path: Path) -> None:
        odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
        odd.mkdir()
        for named, cwd in ((odd, tmp_path), (None, odd)):
            with pytest.raises(ConfigError) as raised:
                project_dir(named, environ={}, cwd=cwd)
            assert raised.value.code == "path_not_utf8"
            assert raised.value.params["path"].endswith("caf\\xe9")

    def test_a_working_directory_that_is_gone_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as raised:
            project_dir(environ={}, cwd=tmp_path / "gone")
        assert raised.value.code == "cwd_gone"


def test_a_home_that_is_no_absolute_path_is_what_the_system_says() -> None:
    for home in ("", "here/and/there"):
        assert home_dir({"HOME": home}) == Path(pwd.getpwuid(os.getuid()).pw_dir)


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 987_654_321)
    with pytest.raises(ConfigError) as raised:
        workspace_dir({})
    assert raised.value.code == "home_unknown"
    assert workspace_dir({"KITE_WORKSPACE": "/ws"}) == Path("/ws")


def test_the_workspace_is_in_the_home_directory(tmp_path: Path) -> None:
    assert workspace_dir({"HOME": str(tmp_path)}) == tmp_path / ".kite" / "workspace"
    assert workspace_dir({"HOME": "/h", "KITE_WORKSPACE": str(tmp_path)}) == tmp_path


def test_names_of_instance_directories(tmp_path: Path) -> None:
    env = environ(tmp_path / "ws")
    for project, name in NAMES:
        assert claim_instance_dir(Path(project), env) == tmp_path / "ws" / name
        assert (tmp_path / "ws" / name / ".cwd").read_text() == project
    for project, name in NAMES:
        assert find_instance_dir(Path(project), env) == tmp_path / "ws" / name


def test_finding_writes_nothing(tmp_path: Path) -> None:
    assert find_instance_dir(tmp_path, environ(tmp_path / "ws")) is None
    assert not (tmp_path / "ws").exists()


def test_instance_directories_are_for_their_user_alone(tmp_path: Path) -> None:
    instance = claim_instance_dir(tmp_path / "p", environ(tmp_path / "ws"))
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ws").stat().st_mode) == 0o700


def test_what_is_not_a_claim_is_not_taken(tmp_path: Path) -> None:
    workspace = tmp_path / "ws"
    workspace.mkdir()
    (workspace / "p").write_text("a file")
    (workspace / "p~1").mkdir()
    (workspace / "p~1" / ".cwd").write_text("/somewhere/else/p")
    (workspace / "p~2").mkdir()  # its claim was never finished
    assert claim_instance_dir(tmp_path / "p", environ(workspace)) == workspace / "p~2"


def test_ones_own_is_found_when_an_earlier_name_is_free_again(tmp_path: Path) -> None:
    env = environ(tmp_path / "ws")
    first = claim_instance_dir(Path("/a/p"), env)
    second = claim_instance_dir(Path("/b/p"), env)
    (first / ".cwd").unlink()
    first.rmdir()
    assert claim_instance_dir(Path("/b/p"), env) == second


class TestNamedInstanceDir:
    def test_it_overrides(self, tmp_path: Path) -> None:
        env = environ(tmp_path / "ws", KITE_INSTANCE_DIR=str(tmp_path / "mine"))
        assert find_instance_dir(tmp_path, env) is None
        assert claim_instance_dir(tmp_path, env) == tmp_path / "mine"
        assert owner(tmp_path / "mine") == tmp_path
        assert find_instance_dir(tmp_path, env) == tmp_path / "mine"

    def test_inherited_from_ones_own_project_it_holds(self, tmp_path: Path) -> None:
        env = environ(
            tmp_path / "ws", KITE_INSTANCE_DIR=str(tmp_path / "mine"), KITE_CWD=str(tmp_path)
        )
        assert claim_instance_dir(tmp_path, env) == tmp_path / "mine"

    def test_inherited_from_another_project_it_does_not(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        env = environ(
            tmp_path / "ws",
            KITE_INSTANCE_DIR=str(tmp_path / "theirs"),
            KITE_CWD=str(tmp_path / "other"),
        )
        assert claim_instance_dir(tmp_path, env) == tmp_path / "ws" / tmp_path.name
        assert not (tmp_path / "theirs").exists()


def test_an_unusable_workspace_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as raised:
        claim_instance_dir(tmp_path, environ(tmp_path / "file" / "ws"))
    assert raised.value.code == "instance_dir_unusable"


CLAIM = """
import os, sys
from pathlib import Path
from kite.model.workspace import claim_instance_dir
sys.stdin.readline()
for project in sys.argv[1:]:
    print(claim_instance_dir(Path(project)))
"""


def test_many_who_claim_at_once_agree(tmp_path: Path) -> None:
    projects = [f"/p{number}/same" for number in range(5)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, *projects[turn % 5 :], *projects[: turn % 5]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environ(tmp_path / "ws"),
        )
        for turn in range(8)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    answers: dict[str, set[str]] = {project: set() for project in projects}
    for turn, worker in enumerate(workers):
        output, _ = worker.communicate(timeout=60)
        order = [*projects[turn % 5 :], *projects[: turn % 5]]
        for project, answer in zip(order, output.split(), strict=True):
            answers[project].add(answer)
    assert all(len(answer) == 1 for answer in answers.values())
    names = {Path(one).name for answer in answers.values() for one in answer}
    assert names == {"same", "same~1", "same~2", "same~3", "same~4"}


HOLD = """
import sys
from pathlib import Path
from kite.model.instance_lock import InstanceLock
lock = InstanceLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
"""


def test_one_launcher_per_instance_directory(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert holder(tmp_path) == other.pid
        with pytest.raises(RequestError) as raised:
            InstanceLock.acquire(tmp_path)
        assert (raised.value.code, raised.value.params["pid"]) == ("already_running", other.pid)
        assert raised.value.kind.exit == 5
        # A lock that its process cannot give back is given back by its death.
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=30)
    assert holder(tmp_path) is None
    with InstanceLock.acquire(tmp_path) as lock:
        assert holder(tmp_path) == os.getpid()
        with pytest.raises(RequestError):
            InstanceLock.acquire(tmp_path)
    lock.release()
    assert holder(tmp_path) is None


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    lock = InstanceLock.acquire(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.readline()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        close_fds=False,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        # As a killed Launcher leaves it: closed by the kernel, not released.
        os.close(lock._descriptor)
        assert holder(tmp_path) is None
        InstanceLock.acquire(tmp_path).release()
        child.communicate("\n", timeout=30)


def test_a_missing_instance_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        InstanceLock.acquire(tmp_path / "missing")
    assert raised.value.code == "instance_dir_unusable"
