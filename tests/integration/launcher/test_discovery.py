"""Finding modules in real directories, and judging what was found."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from kite.errors import ModuleError
from kite.launcher.discovery import check_core, check_project, scan, signature_of
from kite.model.manifest import CORE_NAMES, ConfigState, Manifest, Runtime
from kite.model.mistakes import ConfigErrors
from kite.model.program import resolve
from kite.model.project import Project, parse_project
from kite.model.scan import Scan


class Place:
    """A project, a home directory and a package of their own."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.home = root / "home"
        self.package = root / "package"
        for folder in (self.project, self.home, self.package / "extensions"):
            folder.mkdir(parents=True)
        for name in CORE_NAMES:
            module(self.package / name, f"name: {name}\nruntime: python\nentry: entry.py")
            (self.package / name / "entry.py").touch()

    def scan(self, kite_yaml: str | None = None) -> Scan:
        project = parse_project(kite_yaml, self.project, home=self.home)
        return scan(self.project, project, home=self.home, package=self.package)

    def check(self) -> list[tuple[str, int, str]]:
        errors = check_project(self.project, home=self.home, package=self.package)
        return [
            (os.path.relpath(error.location.file, self.project), error.location.line, error.code)
            for error in errors
            if error.location
        ]


def module(folder: Path, head: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    head = head or f"name: {folder.name}\ncommand: [/bin/true]"
    (folder / "module.md").write_text(f"---\n{head}\n---\n")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def own(found: Scan) -> list[str]:
    return [name for name in found.modules if name not in CORE_NAMES]


def codes(found: Scan) -> list[str]:
    return [error.code for error in found.problems]


def test_every_place_in_its_order(place: Place) -> None:
    module(place.package / "extensions" / "watchdog")
    module(place.project / "modules" / "b")
    module(place.project / "modules" / "a")
    module(place.home / ".kite" / "modules" / "mine")
    module(place.project / "more" / "named")
    module(
        place.package / "launcher",
        f"name: launcher\nruntime: python\nentry: entry.py\ndiscovery: {{site: {place.home}/site}}",
    )
    module(place.home / "site" / "sited")
    found = place.scan("discovery: {more: more}")
    assert {name: one.source for name, one in found.modules.items()} == {
        "launcher": "core",
        "registry": "core",
        "event_hub": "core",
        "watchdog": "extensions",
        "a": "project",
        "b": "project",
        "mine": "user",
        "sited": "site",
        "named": "more",
    }
    assert (found.broken, found.problems) == ({}, ())


def test_three_levels_and_no_further(place: Place) -> None:
    modules = place.project / "modules"
    module(modules / "one")
    module(modules / "x" / "two")
    module(modules / "x" / "y" / "three")
    module(modules / "x" / "y" / "z" / "four")
    assert own(place.scan()) == ["one", "two", "three"]
    assert own(place.scan("discovery: {deep: {path: modules, depth: 4}}")) == [
        "one",
        "two",
        "three",
        "four",
    ]


def test_what_is_not_searched(place: Place) -> None:
    modules = place.project / "modules"
    module(modules / "outer")
    module(modules / "outer" / "inner")
    module(modules / ".hidden" / "a")
    module(modules / "node_modules" / "b")
    (modules / "up").symlink_to("..")
    (modules / "outer2").mkdir()
    (modules / "outer2" / "loop").symlink_to(".")
    (modules / "dangling").symlink_to("nowhere")
    (modules / "file").touch()
    found = place.scan()
    assert own(found) == ["outer"]
    assert found.problems == ()


def test_links_to_elsewhere_are_followed_once(place: Place) -> None:
    target = module(place.home / "src" / "linked")
    modules = place.project / "modules"
    modules.mkdir()
    (modules / "linked").symlink_to(target)
    (modules / "again").symlink_to(target)
    found = place.scan()
    assert own(found) == ["linked"]
    assert found.modules["linked"].folder == target
    assert found.problems == ()


def test_a_source_may_be_a_module_itself(place: Place) -> None:
    module(place.project / "tool")
    assert own(place.scan("discovery: {tool: tool}")) == ["tool"]


def test_a_name_found_twice(place: Place) -> None:
    first = module(place.project / "modules" / "same")
    second = module(place.home / ".kite" / "modules" / "other", "name: same\ncommand: [x]")
    found = place.scan()
    assert found.modules["same"].folder == first
    assert codes(found) == ["duplicate_module"]
    message = str(found.problems[0])
    assert str(first) in message
    assert str(second) in message
    assert message.startswith(f"{second}/module.md:2:")


def test_a_core_name_is_taken(place: Place) -> None:
    module(place.project / "modules" / "registry")
    module(place.project / "modules" / "operator")
    found = place.scan()
    assert found.modules["registry"].source == "core"
    # The folder's name belongs to the core module, so that nothing is listed under it.
    assert codes(found) == ["name_taken"]
    assert list(found.broken) == ["operator"]


def test_a_broken_manifest_stands_under_its_folders_name(place: Place) -> None:
    modules = place.project / "modules"
    module(modules / "fine")
    module(modules / "Broken One", "name: x\nruntim: python")
    (modules / "odd").mkdir()
    (modules / "odd" / "module.md").mkdir()
    (modules / "pipe").mkdir()
    os.mkfifo(modules / "pipe" / "module.md")
    module(place.home / ".kite" / "modules" / "odd")
    found = place.scan()
    assert own(found) == ["fine"]
    assert {name: one.errors[0].code for name, one in found.broken.items()} == {
        "Broken One": "unknown_key_near",
        "odd": "file_not_regular",
        "pipe": "file_not_regular",
    }
    # The earlier place stays in force even though it is broken.
    assert codes(found) == ["duplicate_module"]


def test_a_directory_that_cannot_be_searched(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    module(place.project / "modules" / "a")
    closed = place.project / "modules" / "closed"
    closed.mkdir()
    real = os.scandir

    def scandir(path: Path) -> object:
        # Whoever runs the tests may be allowed to read everything.
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = place.scan()
    assert own(found) == ["a"]
    assert [str(error.location) for error in found.problems] == [str(closed)]
    assert codes(found) == ["directory_unreadable"]


def test_a_source_that_is_missing(place: Place) -> None:
    found = place.scan("x-note: 1\ndiscovery: {gone: gone}")
    assert codes(found) == ["source_missing"]
    assert str(found.problems[0].location) == f"{place.project}/kite.yaml:2"


def test_overrides(place: Place) -> None:
    module(place.project / "modules" / "a")
    module(place.project / "modules" / "b")
    found = place.scan("modules:\n  a: {state: disabled}\n  b: {stat: disabled}\n")
    assert found.modules["a"].manifest.state is ConfigState.DISABLED
    assert str(found.broken["b"].errors[0].location) == f"{place.project}/kite.yaml:3"


def test_the_graph_of_what_was_found(place: Place) -> None:
    module(place.project / "modules" / "a", "name: a\ncommand: [x]\ndepends_on: [b, broken]")
    module(place.project / "modules" / "b", "name: b\ncommand: [x]\nstate: disabled")
    module(place.project / "modules" / "broken", "name: 5")
    problems = place.scan().graph().problems
    assert [str(error) for error in problems["a"]] == [
        f"{place.project}/modules/a/module.md:4: 'a' depends on 'b', which is disabled; "
        "run kite enable b"
    ]


def test_a_change_changes_the_signature(place: Place) -> None:
    folder = module(place.project / "modules" / "a")
    before = place.scan().modules["a"]
    assert place.scan().modules["a"] == before
    module(folder, "name: a\ncommand: [/bin/false]")
    assert signature_of(before.file) != before.signature
    assert place.scan().modules["a"].manifest != before.manifest
    (folder / "module.md").unlink()
    assert signature_of(before.file) == ()


@pytest.mark.parametrize("name", CORE_NAMES)
def test_without_a_core_module_nothing_starts(place: Place, name: str) -> None:
    check_core(place.package)
    file = place.package / name / "module.md"
    for content in (b"---\nname: other\ncommand: [x]\n---\n", b"---\n", None):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        with pytest.raises(ConfigErrors) as raised:
            check_core(place.package)
        assert raised.value.kind.exit == 2
        assert str(file) in str(raised.value)
        with pytest.raises(ConfigErrors):
            place.scan()


def test_the_package_itself_is_in_order() -> None:
    check_core()
    found = scan(Path("/nowhere"), Project(), home=Path("/nowhere"))
    assert set(CORE_NAMES) <= found.modules.keys()
    assert (found.broken, found.problems) == ({}, ())
    assert all(found.modules[name].manifest.type == "infrastructure" for name in CORE_NAMES)


def test_fifty_modules_are_found_in_a_moment(place: Place) -> None:
    for number in range(50):
        module(place.project / "modules" / f"m{number}")
    started = time.process_time()
    assert len(own(place.scan())) == 50
    # About 10 ms on a laptop; the bound leaves room for a busy machine.
    assert time.process_time() - started < 0.2


class TestCheck:
    def test_nothing_is_wrong(self, place: Place) -> None:
        module(place.project / "modules" / "a")
        assert place.check() == []

    def test_everything_at_once(self, place: Place) -> None:
        modules = place.project / "modules"
        (place.project / "kite.yaml").write_text(
            "modules:\n  serch: {state: manual}\n  a: {env: {A: 1}}\nstrt: 1\n"
        )
        module(modules / "a")
        module(modules / "b", "name: b\nruntime: python\nentry: main.py\ndepends_on: [c]")
        module(modules / "c", "name: c\ncommand: [no-such-program]\ndepends_on:\n  - b")
        module(modules / "d", "name: d\nstat: manual\npreferred_port: x")
        module(modules / "search")
        module(modules / "z", "name: search\ncommand: [x]")
        assert place.check() == [
            ("kite.yaml", 2, "override_unused_near"),
            ("kite.yaml", 3, "wrong_value"),
            ("kite.yaml", 4, "unknown_key"),
            ("modules/b/module.md", 4, "program_not_found"),
            ("modules/b/module.md", 5, "dependency_cycle"),
            ("modules/c/module.md", 3, "program_not_found"),
            ("modules/c/module.md", 5, "dependency_cycle"),
            ("modules/d/module.md", 2, "program_missing"),
            ("modules/d/module.md", 3, "unknown_key_near"),
            ("modules/d/module.md", 4, "wrong_value"),
            ("modules/z/module.md", 2, "duplicate_module"),
        ]

    def test_a_broken_core_is_told_with_the_rest(self, place: Place) -> None:
        (place.project / "kite.yaml").write_text("strt: 1\n")
        (place.package / "registry" / "module.md").write_text("")
        assert [code for _, _, code in place.check()] == ["front_matter_missing", "unknown_key"]

    def test_programs_that_only_a_running_instance_has(self, place: Place) -> None:
        head = 'name: a\ncommand: ["${KITE_MODULE_DATA}/bin/x"]'
        module(place.project / "modules" / "a", head)
        module(place.project / "modules" / "b", 'name: b\ncommand: ["${KITE_MODULE_DIR}/run"]')
        assert place.check() == [("modules/b/module.md", 3, "program_not_found")]


class TestProgram:
    def program(self, folder: Path, name: str, mode: int = 0o755) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(mode)
        return folder / name

    def command(self, folder: Path, *words: str, path: str = "") -> tuple[str, ...]:
        return resolve(Manifest(name="a", command=words), folder, path=path)

    def test_a_slash_means_the_folder(self, tmp_path: Path) -> None:
        program = self.program(tmp_path / "bin", "run")
        assert self.command(tmp_path, "./bin/run", "x") == (str(program), "x")
        assert self.command(tmp_path, "bin/run") == (str(program),)
        assert self.command(tmp_path, str(program)) == (str(program),)

    def test_else_the_path_is_searched_in_order(self, tmp_path: Path) -> None:
        self.program(tmp_path, "run")
        self.program(tmp_path / "a", "run", 0o644)
        second = self.program(tmp_path / "b", "run")
        self.program(tmp_path / "c", "run")
        path = f":{tmp_path}/missing:{tmp_path}/a:b:{tmp_path}/c"
        assert self.command(tmp_path, "run", path=path) == (str(second),)

    def test_what_is_missing_is_said_with_where(self, tmp_path: Path) -> None:
        with pytest.raises(ModuleError) as raised:
            self.command(tmp_path, "run", path="/a:/b")
        assert raised.value.code == "program_not_found"
        assert "'run'" in str(raised.value)
        assert raised.value.params["path"] == "/a:/b"
        with pytest.raises(ModuleError) as raised:
            self.command(tmp_path, "./run")
        assert str(tmp_path) in str(raised.value)

    def test_what_may_not_run_is_said(self, tmp_path: Path) -> None:
        self.program(tmp_path, "run", 0o644)
        for words, path in ((("./run",), ""), (("run",), str(tmp_path))):
            with pytest.raises(ModuleError) as raised:
                self.command(tmp_path, *words, path=path)
            assert raised.value.code == "not_executable"

    def test_python_is_the_folders_own_if_it_has_one(self, tmp_path: Path) -> None:
        manifest = Manifest(name="a", runtime=Runtime.PYTHON, entry="main.py")
        with pytest.raises(ModuleError) as raised:
            resolve(manifest, tmp_path)
        assert raised.value.code == "program_not_found"
        (tmp_path / "main.py").touch()
        entry = str(tmp_path / "main.py")
        assert resolve(manifest, tmp_path) == (sys.executable, "-u", entry)
        own_python = self.program(tmp_path / ".venv" / "bin", "python")
        assert resolve(manifest, tmp_path) == (str(own_python), "-u", entry)

    def test_node_and_binaries(self, tmp_path: Path) -> None:
        node = self.program(tmp_path / "bin", "node")
        (tmp_path / "main.js").touch()
        manifest = Manifest(name="a", runtime=Runtime.NODE, entry="main.js")
        found = resolve(manifest, tmp_path, path=str(tmp_path / "bin"))
        assert found == (str(node), str(tmp_path / "main.js"))
        with pytest.raises(ModuleError):
            resolve(manifest, tmp_path, path="")
        binary = Manifest(name="a", runtime=Runtime.BINARY, entry="bin/node")
        assert resolve(binary, tmp_path) == (str(node),)


def test_a_folder_whose_name_is_not_text_is_told_and_left_out(place: Place) -> None:
    module(place.project / "modules" / "good")
    odd = os.fsencode(place.project / "modules") + b"/caf\xe9"
    module(Path(os.fsdecode(odd)), "name: odd\ncommand: [/bin/true]")
    os.mkdir(odd + b"_data")  # noqa: PTH102  (bytes)
    found = place.scan()
    assert own(found) == ["good"]
    assert codes(found) == ["path_not_utf8"]
    assert found.problems[0].params["path"].endswith("caf\\xe9")
