"""The lifecycle log: whole lines only, whatever the disk does."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from kite.launcher.journal import Journal


def steps(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_is_one_line_with_its_instant(tmp_path: Path) -> None:
    path = tmp_path / "launcher" / "lifecycle.jsonl"
    journal = Journal(path)
    step = journal.write("exited", "indexer", life=3, exit_code=None, signal="SIGKILL")
    journal.close()
    assert steps(path) == [step]
    assert set(step) == {"ts", "event", "module", "life", "signal"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", ['{"ts":"2026', "x" * 10_000])
def test_the_torn_end_of_a_killed_launcher_is_cut_off(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "j"
    whole = '{"ts":"t","event":"scanned","module":"m"}\n'
    path.write_text(whole + torn)
    journal = Journal(path)
    journal.write("starting", "m")
    journal.close()
    assert [step["event"] for step in steps(path)] == ["scanned", "starting"]


def test_a_file_of_nothing_but_a_torn_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text('{"ts"')
    journal = Journal(path)
    journal.write("starting", "m")
    journal.close()
    assert [step["event"] for step in steps(path)] == ["starting"]


def test_it_is_rotated_by_size(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path, max_bytes=2_000, count=2)
    for number in range(100):
        journal.write("started", "m", number=number)
    journal.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["j", "j.1", "j.2"]
    numbers = [step["number"] for name in ("j.2", "j.1", "j") for step in steps(tmp_path / name)]
    assert numbers == list(range(numbers[0], 100))  # type: ignore[arg-type]
    assert all(p.stat().st_size <= 2_000 for p in tmp_path.iterdir())


def test_a_full_disk_loses_nothing_that_fits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems: list[OSError] = []
    recoveries: list[int] = []
    path = tmp_path / "j"
    journal = Journal(path, on_problem=problems.append, on_recovery=recoveries.append)
    journal.write("starting", "m")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _no_space)
        for number in range(5):
            journal.write("started", "m", number=number)
    assert len(problems) == 1  # one warning, not five
    journal.write("exited", "m")
    journal.close()
    assert recoveries == [0]
    assert [step["event"] for step in steps(path)] == ["starting", *["started"] * 5, "exited"]


def test_an_outage_without_end_is_bounded_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recoveries: list[int] = []
    path = tmp_path / "j"
    journal = Journal(path, on_recovery=recoveries.append)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _no_space)
        for number in range(1_200):
            journal.write("started", "m", number=number)
    assert journal.flush()
    journal.close()
    assert recoveries == [200]
    assert [step["number"] for step in steps(path)] == list(range(200, 1_200))


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write("starting", "m")
    path.unlink()
    journal.write("started", "m")
    journal.close()
    assert [step["event"] for step in steps(path)] == ["started"]


def _no_space(descriptor: int, data: bytes) -> int:
    raise OSError(28, "No space left on device")
