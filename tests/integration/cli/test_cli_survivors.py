"""Who is still there after `kite down`, by the Launcher's own records."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kite.cli.down import survivors
from kite.launcher import platform_linux
from kite.launcher.kin import Kin
from kite.launcher.records import Records


def test_only_recorded_processes_that_live_are_survivors(tmp_path: Path) -> None:
    records = Records(tmp_path / "launcher" / "processes")
    records.open_instance("i1")
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            found = platform_linux.stat(process.pid)
            assert found is not None
            kin = Kin(
                pid=process.pid, start_time=found.start_time, mark=0, instance="i1", module="web"
            )
            records.add(kin, life=1)
            assert survivors(tmp_path) == [{"pid": process.pid, "name": "web"}]
        finally:
            process.kill()
    assert survivors(tmp_path) == []


def test_without_records_there_are_none(tmp_path: Path) -> None:
    assert survivors(tmp_path) == []
