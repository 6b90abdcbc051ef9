"""One running Kite: what children get, what lies in its directory, who may read it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from kite.errors import ConfigError
from kite.launcher.instance import (
    ApiFile,
    Instance,
    inherited_environment,
    prepare_directories,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    home = tmp_path / "workspace" / "project"
    prepare_directories(home)
    return Instance(
        id="abc",
        project_dir=tmp_path / "project",
        workspace=tmp_path / "workspace",
        instance_dir=home,
        registry_port=4711,
        started_at=1_769_850_307.123,
    )


def test_children_inherit_nothing_of_an_outer_kite() -> None:
    environ = {"PATH": "/bin", "KITE_TOKEN": "x", "KITE_CWD": "y", "LISTEN_FDS": "1", "KITES": "z"}
    assert inherited_environment(environ) == {"PATH": "/bin", "KITES": "z"}


def test_the_variables_are_the_contracts(instance: Instance, tmp_path: Path) -> None:
    found = instance.variables("docs", tmp_path / "docs")
    assert set(found) == {
        *("KITE_PROJECT", "KITE_CWD", "KITE_WORKSPACE", "KITE_INSTANCE", "KITE_INSTANCE_DIR"),
        *("KITE_MODULE", "KITE_MODULE_DIR", "KITE_MODULE_DATA", "KITE_REGISTRY_PORT"),
    }
    assert Path(found["KITE_MODULE_DATA"]) == instance.instance_dir / "docs"
    assert mode(instance.instance_dir / "docs") == 0o700
    assert found["KITE_REGISTRY_PORT"] == "4711"
    assert instance.variables("docs", tmp_path)["KITE_MODULE_DATA"] == found["KITE_MODULE_DATA"]


def test_instants_are_rfc_3339(instance: Instance) -> None:
    assert instance.started == "2026-01-31T09:05:07.123Z"


def test_directories_are_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "a" / "b"
    home.mkdir(parents=True, mode=0o755)
    prepare_directories(home)
    for path in (home, home / "launcher", home / "logs"):
        assert mode(path) == 0o700
    prepare_directories(home)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refused:
        prepare_directories(tmp_path / "file" / "instance")
    assert refused.value.code == "instance_dir_unusable"
    assert str(tmp_path / "file") in str(refused.value)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_api_file_is_the_owners_alone_whatever_the_umask(
    instance: Instance, umask: int
) -> None:
    before = os.umask(umask)
    try:
        file = ApiFile(instance)
        file.write({"url": "http://127.0.0.1:1", "token": "secret"})
    finally:
        os.umask(before)
    path = instance.launcher_dir / "api.json"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert json.loads(path.read_text())["token"] == "secret"
    file.write({"url": "http://127.0.0.1:2"})
    assert json.loads(path.read_text()) == {"url": "http://127.0.0.1:2"}
    assert [one.name for one in path.parent.iterdir()] == ["api.json"]
    file.remove()
    file.remove()
    assert not path.exists()


def test_a_draft_that_somebody_left_open_to_all_is_not_written_into(instance: Instance) -> None:
    draft = instance.launcher_dir / "api.json.new"
    draft.write_text("old")
    draft.chmod(0o666)
    ApiFile(instance).write({"token": "secret"})
    assert mode(instance.launcher_dir / "api.json") == 0o600


def test_a_file_where_a_data_directory_belongs_is_named(instance: Instance, tmp_path: Path) -> None:
    place = instance.instance_dir / "docs"
    place.write_text("mine")
    with pytest.raises(ConfigError) as raised:
        instance.variables("docs", tmp_path)
    assert (raised.value.code, raised.value.params["path"]) == ("data_dir_unusable", str(place))
    assert place.read_text() == "mine"


def test_a_file_where_the_registrys_directory_belongs_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "registry").touch()
    with pytest.raises(ConfigError, match="registry") as raised:
        prepare_directories(tmp_path)
    assert raised.value.code == "data_dir_unusable"
