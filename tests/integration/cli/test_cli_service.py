"""`kite service` with a systemctl that only writes down what it is asked, and with the real checker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kite.testing.system import System

from .test_cli_promises import check

SYSTEMCTL = """#!/bin/sh
echo "$*" >> "$ASKED"
case "$2" in
  show-environment) [ -z "$NO_BUS" ] || { echo "Failed to connect to bus: No medium found" >&2; exit 1; } ;;
  enable) [ -z "$REFUSES" ] || { echo "Unit is masked" >&2; exit 1; } ;;
  show) printf 'UnitFileState=enabled\\nActiveState=%s\\nSubState=running\\nMainPID=4711\\nStatusText=modules running: 3\\n' "${ACTIVE:-active}" ;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, extensions=False) as made:
        bin_dir = tmp_path / "bin"
        bin_dir.mkdir()
        program = bin_dir / "systemctl"
        program.write_text(SYSTEMCTL)
        program.chmod(0o755)
        made.environ["PATH"] = f"{bin_dir}:{os.environ['PATH']}"
        made.environ["ASKED"] = str(tmp_path / "asked")
        made.environ.pop("XDG_CONFIG_HOME", None)
        yield made


def asked(project: System) -> list[str]:
    return Path(project.environ["ASKED"]).read_text().splitlines()


def units(project: System) -> list[Path]:
    return sorted((project.home / ".config/systemd/user").glob("*"))


def test_a_service_is_installed_shown_and_taken_away(project: System) -> None:
    outcome = project.kite("service", "install")
    [unit] = units(project)
    assert unit.name == "kite-project.service"
    assert f"-C {project.project} up" in unit.read_text()
    assert str(unit) in outcome.err
    assert "loginctl enable-linger" in outcome.err
    assert asked(project)[1:] == ["--user daemon-reload", "--user enable kite-project.service"]
    shown = project.kite("service", "status")
    assert "kite-project.service: enabled, active, running" in shown.out
    assert "modules running: 3" in shown.out
    document = json.loads(project.kite("service", "status", "--json").out)
    check("cli-service", document)
    assert (document["active"], document["enabled"], document["pid"]) == (True, True, 4711)
    project.kite("service", "install", "--now")
    assert asked(project)[-1] == "--user enable --now kite-project.service"
    project.kite("service", "uninstall")
    assert units(project) == []
    assert "--user disable --now kite-project.service" in asked(project)
    assert "no service is installed" in project.kite("service", "uninstall").err


def test_status_3_when_it_is_not_active(project: System) -> None:
    project.environ["ACTIVE"] = "inactive"
    assert "no service is installed" in project.kite("service", "status", status=3).out
    project.kite("service", "install")
    assert "inactive" in project.kite("service", "status", status=3).out
    project.kite("service", "uninstall")


def test_without_systemd_it_says_so_and_what_to_do(project: System) -> None:
    project.environ["NO_BUS"] = "1"
    for verb in ("install", "status"):
        outcome = project.kite("service", verb, status=1)
        assert "there is no systemd" in outcome.err
        assert "@reboot" in outcome.err
    assert units(project) == []
    assert not project.instance_dir.exists()
    assert "[Service]" in project.kite("service", "install", "--print").out


def test_what_systemd_refuses_is_told(project: System) -> None:
    project.environ["REFUSES"] = "1"
    outcome = project.kite("service", "install", status=1)
    assert "Unit is masked" in outcome.err
    project.kite("service", "uninstall")


def test_a_kite_that_runs_is_not_started_a_second_time(project: System) -> None:
    project.up()
    assert "already running" in project.kite("service", "install", "--now", status=5).err
    assert units(project) == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")
def test_systemd_understands_the_unit(project: System, tmp_path: Path) -> None:
    unit = tmp_path / "kite-project.service"
    unit.write_text(project.kite("service", "install", "--print").out)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--user", str(unit)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
