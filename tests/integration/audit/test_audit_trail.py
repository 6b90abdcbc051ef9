"""The audit log of one process: its thread, its file, its bounds, and a disk that refuses."""

from __future__ import annotations

import json
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kite.audit import trail as trail_file
from kite.audit.throttle import BURST
from kite.audit.trail import Trail

PATIENCE = 20.0


def lines(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("audit.jsonl*"), reverse=True):
        found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def wait(fact: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_action_is_written_soon_for_the_owners_eyes(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "launcher")
    assert not (tmp_path / "audit.jsonl").exists(), "nothing to say, no file and no thread"
    trail.done("operator", "stop", target="web", reason="lunch", life=None, peer=4711)
    wait(lambda: lines(tmp_path))
    [line] = lines(tmp_path)
    assert {key: line[key] for key in ("where", "who", "what", "outcome", "target")} == {
        "where": "launcher",
        "who": "operator",
        "what": "stop",
        "outcome": "done",
        "target": "web",
    }
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600
    trail.close()


def test_a_hundred_thousand_refusals_are_a_few_lines(tmp_path: Path) -> None:
    """And the last line says how many there were."""
    trail = Trail(tmp_path, "event_hub")
    for number in range(100_000):
        trail.refused("rude", f"publish on 'hub.{number}'", "permission_denied")
    trail.done("operator", "stop", target="rude")
    trail.close()
    found = lines(tmp_path)
    assert len(found) == BURST + 2
    summary = next(line for line in found if "suppressed" in line)
    assert summary["suppressed"] == 100_000 - BURST
    assert (summary["who"], summary["code"]) == ("rude", "permission_denied")
    assert (tmp_path / "audit.jsonl").stat().st_size < 10_000


def test_the_file_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    trail = Trail(tmp_path, "launcher")
    trail._file = trail_file.RotatedLines(tmp_path / "audit.jsonl", max_bytes=4000, count=2)
    for number in range(500):
        trail.done("operator", "restart", target=f"m{number}")
    trail.close(PATIENCE)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all(path.stat().st_size <= 4000 for path in tmp_path.iterdir())
    assert lines(tmp_path)[-1]["target"] == "m499"


def test_a_disk_that_refuses_holds_nobody_up_and_gets_it_later(tmp_path: Path) -> None:
    """Here a folder stands where the file is to be: not even root can write that."""
    place = tmp_path / "audit.jsonl"
    place.mkdir()
    trail = Trail(tmp_path, "launcher")
    for number in range(50):
        trail.done("operator", "restart", target=f"m{number}")
    place.rmdir()
    wait(lambda: place.is_file() and len(lines(tmp_path)) == 50)
    assert [line["target"] for line in lines(tmp_path)] == [f"m{n}" for n in range(50)]
    trail.close()


def test_without_a_folder_nothing_is_kept_and_nothing_runs() -> None:
    before = threading.active_count()
    trail = Trail(None, "registry")
    trail.done("operator", "stop")
    trail.refused("nobody", "GET /modules", "unauthorized")
    assert threading.active_count() == before
    trail.close()
