"""The npm package as somebody gets it: packed, installed into an empty project, and its `kite` typed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kite.version import __version__

REPOSITORY = Path(__file__).resolve().parents[3]
SDK = REPOSITORY / "sdks" / "node"
PATIENCE = 600.0

PROGRAM = """
import { Module } from "kite-runtime";

const module = new Module();
module.handle("greet", (request) => ({ text: `hello, ${request.data.name}` }));
await module.run();
"""


def run(
    *words: str | Path, cwd: Path, env: dict[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert not check or ended.returncode == 0, f"{words}: {ended.stdout}\n{ended.stderr}"
    return ended


@pytest.fixture(scope="module", autouse=True)
def npm() -> str:
    program = shutil.which("npm")
    if program is None:
        pytest.skip("npm is not installed")
    return program


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A user's environment: a home of their own, Node and Python, and no Kite."""
    top = tmp_path_factory.mktemp("user")
    programs = top / "bin"
    programs.mkdir()
    for name in ("node", "npm", "npx", "sh", "env"):
        found = shutil.which(name)
        assert found is not None, name
        (programs / name).symlink_to(found)
    python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    if not python.exists():
        pytest.skip(f"{python} is not there: environments are made with it")
    (programs / "python3").symlink_to(python)
    kept = {
        name: os.environ[name] for name in ("LANG", "TMPDIR", "PIP_CACHE_DIR") if name in os.environ
    }
    return kept | {
        "PATH": str(programs),
        "HOME": str(top),
        "KITE_LANG": "en",
        "KITE_WORKSPACE": str(top / "workspace"),
    }


@pytest.fixture(scope="module")
def archive(npm: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The archive that `npm pack` makes, and what it says about it."""
    folder = tmp_path_factory.mktemp("packed")
    words = (npm, "pack", "--json", "--pack-destination", folder)
    packed = json.loads(run(*words, cwd=SDK, env=dict(os.environ)).stdout)
    said = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
    return folder / said["filename"], said


@pytest.fixture(scope="module")
def carried(archive: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of Kite that the archive carries."""
    with tarfile.open(archive[0]) as packed:
        (name,) = [one for one in packed.getnames() if one.startswith("package/python/")]
        packed.extract(name, folder := tmp_path_factory.mktemp("carried"), filter="data")
    return folder / name


@pytest.fixture(scope="module")
def wheels(carried: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of what the archive carries and of all that it needs: no index is asked afterwards."""
    folder = tmp_path_factory.mktemp("wheels")
    words = (
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--disable-pip-version-check",
        "--wheel-dir",
        folder,
        carried,
    )
    made = run(
        sys.executable, *words, cwd=folder, env=os.environ | {"KITE_BUILD_PURE": "1"}, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"no wheel can be built here: {made.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.fixture(scope="module")
def project(
    npm: str,
    archive: tuple[Path, dict[str, Any]],
    bare: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An empty project into which the archive is installed."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "package.json").write_text('{"name": "shop", "private": true, "type": "module"}')
    ws = SDK / "node_modules" / "ws"
    if not ws.exists():
        pytest.skip("the package ws is not there: npm install, in sdks/node")
    needed = json.loads(
        run(npm, "pack", "--json", "--pack-destination", folder, cwd=ws, env=bare).stdout
    )
    filename = (needed[0] if isinstance(needed, list) else next(iter(needed.values())))["filename"]
    words = (
        "--offline",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        f"./{filename}",
        archive[0],
    )
    run(npm, "install", *words, cwd=folder, env=bare)
    return folder


def test_archive_holds_what_is_needed_and_nothing_else(
    archive: tuple[Path, dict[str, Any]],
) -> None:
    """No cache, log, result, test or package of others; all sources, the types, the program, the licence."""
    paths = {file["path"] for file in archive[1]["files"]}
    sources = {str(path.relative_to(SDK)) for path in (SDK / "src").rglob("*.mjs")}
    others = {"package.json", "README.md", "LICENSE", "bin/kite.mjs", "src/index.d.mts"} | {
        "src/cloudevents.d.mts",
        f"python/kite_runtime-{__version__}.tar.gz",
    }
    assert paths == sources | others
    assert not (SDK / "python").exists(), "what was made for it is gone"


def test_the_kite_that_it_carries_is_what_git_knows(carried: Path) -> None:
    """All of Kite's sources, and no file that lies about in a checkout."""
    with tarfile.open(carried) as packed:
        files = {one.name.partition("/")[2] for one in packed.getmembers() if one.isfile()}
    words = (
        "git",
        "ls-files",
        "LICENSE",
        "README.md",
        "hatch_build.py",
        "pyproject.toml",
        "protocol",
    )
    known = set(run(*words, "src/kite", cwd=REPOSITORY, env=dict(os.environ)).stdout.split("\n"))
    links = {"src/kite/protocol"}
    within = {f"src/kite/{one}" for one in known if one.startswith("protocol/")}
    assert files == (known | within) - links - {""}


def test_a_module_is_typed_against_the_installed_package(project: Path) -> None:
    """An editor finds the types by the package's name alone."""
    compiler = SDK / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("TypeScript is not installed: npm install, in sdks/node")
    (project / "typed.mts").write_text(PROGRAM.replace("request.data.name", "request.subject"))
    words = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "")
    run(compiler, *words, "typed.mts", cwd=project, env=dict(os.environ))
    (project / "typed.mts").write_text(PROGRAM.replace("request.data.name", "request.nothing"))
    wrong = run(compiler, *words, "typed.mts", cwd=project, env=dict(os.environ), check=False)
    assert "nothing" in wrong.stdout


@pytest.fixture(scope="module")
def environment(bare: dict[str, str], wheels: Path) -> dict[str, str]:
    (wheel,) = wheels.glob("kite_runtime-*.whl")
    return bare | {
        "KITE_PYTHON_PACKAGE": str(wheel),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }


@pytest.fixture
def down(project: Path, bare: dict[str, str]) -> Iterator[None]:
    yield
    if list((Path(bare["KITE_WORKSPACE"])).glob("*/launcher/api.json")):
        run("npx", "--offline", "kite", "down", cwd=project, env=bare)


def test_without_python_it_prints_the_one_command(
    project: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    """Status 2, what is missing, and what to type."""
    for name in ("node", "npx", "sh", "env"):
        (tmp_path / name).symlink_to(Path(bare["PATH"]) / name)
    ended = run(
        "npx",
        "--offline",
        "kite",
        "ps",
        cwd=project,
        env=bare | {"PATH": str(tmp_path)},
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("kite: Python 3.11 or newer was not found; type: "), ended.stderr
    assert f"kite_runtime-{__version__}.tar.gz" in ended.stderr
    assert not (Path(bare["HOME"]) / ".local").exists()


def test_without_the_package_it_prints_the_one_command_and_leaves_nothing(
    project: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    """As without a network."""
    env = bare | {"PIP_NO_INDEX": "1", "XDG_DATA_HOME": str(tmp_path)}
    ended = run("npx", "--offline", "kite", "ps", cwd=project, env=env, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "the package could not be installed; type: " in ended.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "kite", tmp_path / "kite" / "python"]


@pytest.mark.usefixtures("down")
def test_it_runs_the_complete_system(project: Path, environment: dict[str, str]) -> None:
    """Says that it makes an environment of its own, once, and then is Kite, whose module uses the SDK."""
    module = project / "modules" / "greeter"
    module.mkdir(parents=True)
    (module / "module.md").write_text("---\nname: greeter\nruntime: node\nentry: main.mjs\n---\n")
    (module / "main.mjs").write_text(PROGRAM)

    def kite(*words: str) -> subprocess.CompletedProcess[str]:
        return run("npx", "--offline", "kite", *words, cwd=project, env=environment)

    up = kite("up", "-d", "--wait")
    place = Path(environment["HOME"]) / ".local" / "share" / "kite" / "python"
    assert f"into a private Python environment, {place}" in up.stderr
    again = kite("ps", "--json")
    assert "private" not in again.stderr
    states = {one["name"]: one["actual_state"] for one in json.loads(again.stdout)["modules"]}
    assert states["greeter"] == "running"
    answer = kite("request", "greet", '{"name": "Ada"}')
    assert json.loads(answer.stdout) == {"text": "hello, Ada"}
    kite("down")
    ended = run("npx", "--offline", "kite", "ps", cwd=project, env=environment, check=False)
    assert ended.returncode == 3, "the status is Kite's own: nothing runs"


def test_an_installed_kite_is_used(project: Path, bare: dict[str, str], tmp_path: Path) -> None:
    """The one on the PATH, without a word; one of another version is named and left alone."""
    installed = tmp_path / "kite"
    installed.write_text('#!/bin/sh\n[ "$1" = --version ] && echo kite 0.1.9 || echo "I am $*"\n')
    installed.chmod(0o755)
    env = bare | {
        "PATH": f"{tmp_path}{os.pathsep}{bare['PATH']}",
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    ended = run("npx", "--offline", "kite", "ps", "-a b", cwd=project, env=env)
    assert (ended.stdout, ended.stderr) == ("I am ps -a b\n", "")
    installed.write_text("#!/bin/sh\necho kite 2.0.0\n")
    env |= {"PIP_NO_INDEX": "1"}
    ended = run("npx", "--offline", "kite", "ps", cwd=project, env=env, check=False)
    assert ended.returncode == 2
    assert f"{installed} is Kite 2.0.0, and this package goes with 0.1" in ended.stderr


def test_a_data_directory_that_cannot_be_is_told(
    project: Path, bare: dict[str, str], tmp_path: Path
) -> None:
    """By one line with the path, not by a traceback."""
    (tmp_path / "kite").write_text("a file")
    env = bare | {"XDG_DATA_HOME": str(tmp_path)}
    ended = run("npx", "--offline", "kite", "ps", cwd=project, env=env, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("kite: ENOTDIR: ") or "EEXIST" in ended.stderr
    assert str(tmp_path) in ended.stderr
    assert "    at " not in ended.stderr
