"""Who could make Kite run what they like."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kite.launcher.discovery import scan
from kite.model.exposure import GROUP_OR_WORLD, exposed
from kite.model.project import read_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    module = folder / "modules" / "web"
    module.mkdir(parents=True)
    (folder / "kite.yaml").write_text("start_concurrency: 2\n")
    (module / "module.md").write_text(
        "---\nname: web\nruntime: python\nentry: main.py\nenv_file: .env\n---\n"
    )
    (module / "main.py").write_text("")
    (module / ".env").write_text("")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def found(project: Path, **options: int) -> list[str]:
    errors = exposed(project, scan(project, read_project(project)), **options)
    assert {error.code for error in errors} <= {"open_to_others"}
    return [str(Path(error.params["path"]).relative_to(project)) for error in errors]


def test_a_project_as_git_makes_it_is_well(project: Path) -> None:
    assert found(project) == []


@pytest.mark.parametrize(
    "name",
    [
        ".",
        "kite.yaml",
        "modules",
        "modules/web",
        "modules/web/module.md",
        "modules/web/main.py",
        "modules/web/.env",
    ],
)
def test_what_everybody_may_write_is_told(project: Path, name: str) -> None:
    path = project / name
    path.chmod(path.stat().st_mode | 0o002)
    assert found(project) == [name]


def test_a_group_may_share_a_project_and_the_doctor_tells_of_it(project: Path) -> None:
    (project / "kite.yaml").chmod(0o664)
    assert found(project) == []
    assert found(project, bits=GROUP_OR_WORLD) == ["kite.yaml"]


def test_in_a_sticky_folder_nobody_replaces_what_is_anothers(project: Path) -> None:
    project.chmod(0o1777)
    assert found(project) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_is_another_users_is_told(project: Path) -> None:
    os.chown(project / "modules" / "web" / "main.py", 12345, -1)
    assert found(project) == ["modules/web/main.py"]
