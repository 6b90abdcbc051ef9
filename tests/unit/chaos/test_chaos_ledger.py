"""The lifecycle log adds up, and where it does not that is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kite.chaos.ledger import FOLLOWS, Ledger

BEGIN = {"event": "starting", "module": "launcher", "life": 1}
END = {"event": "stopped", "module": "launcher", "life": 1, "reason": "system_shutdown"}


def read(*steps: dict[str, Any] | bytes, replicas: dict[str, int] | None = None) -> list[str]:
    ledger = Ledger(replicas)
    found: list[str] = []
    for step in steps:
        line = step if isinstance(step, bytes) else json.dumps({"ts": "…", **step}).encode()
        found += [violation.text for violation in ledger.read(line)]
    return found


def a(event: str, life: int = 1, module: str = "a", **more: Any) -> dict[str, Any]:
    if event == "exited":
        more = {"exit_code": 0} | more
    return {"event": event, "module": module, "life": life, **more}


def whole(life: int = 1, then: str = "restarting") -> list[dict[str, Any]]:
    steps = [a("starting", life), a("spawned", life, pid=9), a("started", life, pid=9)]
    return [*steps, a("exited", life), a(then, life + 1 if then == "restarting" else life)]


def test_a_life_after_a_life() -> None:
    assert read(BEGIN, *whole(1), *whole(2), *whole(3, "stopped"), END) == []


def test_a_run_may_be_cut_off_anywhere() -> None:
    steps = whole(1)
    for cut in range(len(steps)):
        assert read(BEGIN, *steps[:cut], BEGIN, *whole(1)) == []


def test_core_modules_have_no_spawned() -> None:
    crash = [a("starting", 1, "registry"), a("started", 1, "registry"), a("exited", 1, "registry")]
    again = [a("core_crash", 1, "registry"), a("starting", 2, "registry")]
    assert read(BEGIN, *crash, *again, a("exited", 2, "registry"), END) == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([*whole(2), a("starting", 1)], "life 1 of a comes after life 2"),
        ([*whole(1)[:3], a("starting", 2), a("spawned", 2)], "begins before life 1 has exited"),
        ([*whole(1)[:4], a("exited", 1)], "exits a second time"),
        ([a("starting", 1), a("exited", 1)], "exits and never was spawned"),
        ([a("starting", 1), a("started", 1)], "is ready and does not live"),
        ([*whole(1)[:3], a("exited", 1, exit_code=None)], "nobody knows how"),
        ([*whole(1)[:3], END], "life 1 of a (pid 9) has no exit"),
        ([a("starting", 1), a("spawned", 1), a("stopping", 1), a("started", 1)], "follows on"),
        ([b"{"], "no line of a lifecycle log"),
        ([b"[]"], "no line of a lifecycle log"),
        ([b'{"ts": 1, "event": "exited", "module": "a"}'], "wrong types"),
        ([a("flew", 1)], "unknown event"),
        (
            [a("starting", 1, "registry"), a("starting", 2, "registry")],
            "begins before life 1 has exited",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_add_up(steps: list[Any], said: str) -> None:
    found = read(BEGIN, *steps)
    assert any(said in text for text in found), found


def test_replicas_live_together() -> None:
    both = [a("starting", 1), a("spawned", 1), a("starting", 2), a("spawned", 2)]
    assert read(BEGIN, *both, a("exited", 2), a("exited", 1), replicas={"a": 2}) == []


def test_in_a_rolling_restart_there_is_one_more() -> None:
    both = [a("starting", 1), a("spawned", 1), a("started", 1)]
    rolling = [{"event": "rolling", "module": "a"}, a("starting", 2), a("spawned", 2)]
    end = [a("started", 2), a("stopping", 1), a("exited", 1), a("stopped", 1)]
    ledger = Ledger()
    steps = [BEGIN, *both, *rolling, *end]
    lines = [json.dumps({"ts": "…", **step}).encode() for step in steps]
    assert [violation for line in lines for violation in ledger.read(line)]
    ledger.allow("a", 2)
    assert [violation for line in lines for violation in ledger.read(line)] == []


def test_every_step_that_the_schema_knows_is_known() -> None:
    from pathlib import Path

    schema = Path(__file__).parents[3] / "protocol" / "schemas" / "lifecycle-line.schema.json"
    known = set(json.loads(schema.read_text())["properties"]["event"]["enum"])
    aside = {"scanned", "state_changed", "leftover", "core_crash", "survivors", "rolling"}
    aside |= {"restarting", "requested", "waiting", "settled", "health_changed", "changed"}
    aside |= {"watch_suspended"}
    assert set(FOLLOWS) | aside == known
    assert {step for before in FOLLOWS.values() for step in before if step} <= known
