"""`kite bench` from end to end: the real Hub is measured by the real module."""

from __future__ import annotations

import json
from pathlib import Path

from kite.testing.system import System

NAMES = [
    "throughput",
    "fan-out",
    "large events",
    "latency p50",
    "latency p99",
    "request p50",
    "request p99",
    "requests",
]


def quick(tmp_path: Path, **env: str) -> System:
    short = {"BENCH_SECONDS": "0.7", "BENCH_RATE": "300", "BENCH_SUBSCRIBERS": "3"}
    off = {"watchdog": {"state": "disabled"}}
    config = {"modules": {"event_hub_bench": {"env": {**short, **env}}, **off}}
    return System(tmp_path, config=config)


def test_it_measures_when_asked_and_leaves_a_result(tmp_path: Path) -> None:
    with quick(tmp_path) as system:
        system.up("--wait")
        assert system.record("event_hub_bench")["actual_state"] == "stopped"
        found = json.loads(system.kite("bench", "--json").out)
        assert [row["name"] for row in found["results"]] == NAMES
        assert all(row["value"] > 0 for row in found["results"])
        values = {row["name"]: row["value"] for row in found["results"]}
        assert values["latency p50"] <= values["latency p99"]
        assert "3 subscribers" in found["results"][1]["detail"]
        assert found == json.loads(
            (system.instance_dir / "event_hub_bench/result.json").read_text()
        )
        ended = system.wait_state("event_hub_bench", "stopped")
        assert (ended["exit_code"], ended["desired_state"]) == (0, "stopped")
        system.wait_log("event_hub_bench", "throughput")
        again = system.kite("bench").out.splitlines()
        assert again[0].split() == ["MEASURED", "VALUE", "UNIT", "DETAIL"]
        assert len(again) == 1 + len(NAMES)


def test_a_wrong_setting_ends_it_and_the_command_says_so(tmp_path: Path) -> None:
    with quick(tmp_path, BENCH_RATE="fast") as system:
        system.up("--wait")
        outcome = system.kite("bench", status=None)
        assert outcome.status != 0
        assert "event_hub_bench" in outcome.err
        system.wait_log("event_hub_bench", "BENCH_RATE is 'fast'")
        assert system.record("event_hub_bench")["actual_state"] == "failed"
