"""What others could use of an instance directory is closed, and what is another user's refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from kite.errors import ConfigError
from kite.launcher.instance import prepare_directories
from kite.launcher.modes import close_to_others


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "instance"
    prepare_directories(folder)
    (folder / "web").mkdir(mode=0o700)
    for name in ("launcher/api.json", "logs/web.log", "registry/registry.json", "web/notes.txt"):
        (folder / name).write_text("")
        (folder / name).chmod(0o600)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_closed_stays_as_it_is(home: Path) -> None:
    assert close_to_others(home) == []


@pytest.mark.parametrize(
    ("name", "open_mode", "closed_mode"),
    [
        (".", 0o755, 0o700),
        ("launcher", 0o777, 0o700),
        ("logs", 0o750, 0o700),
        ("web", 0o711, 0o700),
        ("launcher/api.json", 0o644, 0o600),
        ("logs/web.log", 0o664, 0o600),
        ("registry/registry.json", 0o604, 0o600),
    ],
)
def test_what_is_open_is_closed_and_told(
    home: Path, name: str, open_mode: int, closed_mode: int
) -> None:
    (home / name).chmod(open_mode)
    [closed] = prepare_directories(home)
    assert (closed.path, closed.old, closed.new) == (home / name, open_mode, closed_mode)
    assert mode(home / name) == closed_mode
    assert prepare_directories(home) == []


def test_what_a_module_keeps_is_its_own_business(home: Path) -> None:
    (home / "web" / "notes.txt").chmod(0o644)
    assert close_to_others(home) == []
    assert mode(home / "web" / "notes.txt") == 0o644


def test_what_a_link_leads_to_is_left_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "elsewhere").chmod(0o644)
    (home / "logs" / "linked.log").symlink_to(tmp_path / "elsewhere")
    assert close_to_others(home) == []
    assert mode(tmp_path / "elsewhere") == 0o644


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", [".", "launcher", "launcher/api.json", "web"])
def test_what_is_another_users_is_refused(home: Path, name: str) -> None:
    os.chown(home / name, 12345, -1)
    with pytest.raises(ConfigError) as refused:
        prepare_directories(home)
    assert refused.value.code == "instance_dir_foreign"
    assert refused.value.params["path"] == str(home / name)
    assert refused.value.kind.exit == 6
