"""What `kite explain` says of documents that the Launcher could have given."""

from __future__ import annotations

from typing import Any

import pytest

from kite.cli.explain import lines
from kite.cli.explaining.advice import advice
from kite.cli.explaining.sentences import sentences
from kite.clock import rfc3339

NOW = 1_800_000_000.0
RULE = {
    "policy": "always",
    "max": 3,
    "window": 75.0,
    "initial": 0.5,
    "factor": 2.0,
    "cap": 30.0,
    "retry": True,
    "failures": [],
    "give_ups": 0,
    "crash_loop": None,
    "last": None,
    "next": {"action": "restart", "delay": 0.0, "up_to": 0.0, "exponent": None},
    "forgiven_at": None,
}


def told(state: str = "running", **more: Any) -> dict[str, Any]:
    record = {
        "actual_state": state,
        "state_since": rfc3339(NOW - 12),
        "pid": None,
        "life": 3,
        "uptime": None,
        "next_try": None,
        "error": None,
        "completed": False,
        "desired_state": "running",
        "crash_loop": None,
        **more.pop("record", {}),
    }
    return {
        "name": "web",
        "running": True,
        "at": rfc3339(NOW),
        "module": record,
        "config": {"state": "enabled", "origin": "default", "file": "/p/module.md", "line": None},
        "desired": {"state": "running", "by_request": False},
        "wanted": True,
        "wanted_by": [],
        "waiting": None,
        "restart": {**RULE, **more.pop("restart", {})},
        "core": None,
        "lives": [],
        "requests": [],
        **more,
    }


def said(document: dict[str, Any], topic: str) -> list[str]:
    return [text for about, text in sentences(document) if about == topic]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")


def test_a_module_that_runs() -> None:
    document = told(record={"pid": 4711})
    assert said(document, "state") == ["web is running, for 12.0 s: life 3, pid 4711"]
    assert said(document, "desired") == ["it shall run"]
    assert said(document, "next") == ["at its next failure it is restarted at once"]
    assert [command for command, _ in advice(document)] == ["kite stop web", "kite restart web"]


def test_a_chain_of_waiting() -> None:
    missing = {
        "name": "indexer",
        "condition": "ready",
        "actual_state": "waiting",
        "since": rfc3339(NOW - 12),
        "next_try": None,
        "error": None,
        "on": [
            {
                "name": "disk",
                "condition": "completed",
                "actual_state": "backing_off",
                "since": rfc3339(NOW - 3),
                "next_try": rfc3339(NOW + 4),
                "error": "no paper",
                "on": [],
            }
        ],
    }
    waiting = {
        "since": rfc3339(NOW - 12),
        "doors_open": True,
        "lacks_place": False,
        "on": [missing],
    }
    document = told("waiting", waiting=waiting)
    assert said(document, "waiting") == [
        "web waits for indexer to be ready; indexer is waiting, for 12.0 s",
        "indexer waits for disk to be completed; disk is backing off, for 3.00 s,"
        " next try in 4.00 s: no paper",
    ]
    assert advice(document)[0] == ("kite explain disk", "see why that is not there")


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        (
            {"doors_open": False, "lacks_place": False},
            "Registry and Event Hub are not up yet; no module starts before",
        ),
        (
            {"doors_open": True, "lacks_place": True},
            "all it depends on is there; it waits for a place among those that start",
        ),
    ],
)
def test_waiting_for_no_module(waiting: dict[str, bool], text: str) -> None:
    document = told("waiting", waiting={"since": rfc3339(NOW), "on": [], **waiting})
    assert said(document, "waiting") == [text]


def test_where_a_delay_comes_from() -> None:
    restart = {
        "failures": [rfc3339(NOW - 9), rfc3339(NOW - 2)],
        "last": {"action": "restart", "delay": 1.3, "up_to": 2.0, "exponent": 2},
        "next": {"action": "give_up", "delay": 60.0, "up_to": 60.0, "exponent": None},
    }
    record = {"next_try": rfc3339(NOW + 1)}
    document = told("backing_off", restart=restart, record=record)
    assert said(document, "restarts")[3:] == [
        "failures that count now: 2 (9.00 s, 2.00 s ago)",
        "this delay is 1.30 s, drawn from 100 ms to 2.00 s: 500 ms × 2^2, at most 30.0 s",
    ]
    assert said(document, "next") == [
        "next try in 1.00 s",
        "at its next failure it is given up, and tried again within 1 m 0 s",
    ]


def test_a_crash_loop_and_its_trial() -> None:
    resting = {
        "give_ups": 2,
        "crash_loop": "open",
        "last": {"action": "give_up", "delay": 90.0, "up_to": 120.0, "exponent": None},
    }
    open_loop = told("failed", restart=resting, record={"crash_loop": "open"})
    assert said(open_loop, "restarts")[4:] == [
        "times it was given up since it was last stable: 2",
        "crash loop: it rests 1 m 30 s, drawn from 1 m 0 s to 2 m 0 s; that doubles with each failed"
        " try, from 1 m 0 s to 30 m 0 s",
    ]
    trial = {**resting, "crash_loop": "half_open", "forgiven_at": rfc3339(NOW + 63)}
    assert said(told(restart=trial), "restarts")[5:] == [
        "it is on trial: its next failure gives up again, 1 m 15 s of readiness forgive",
        "all is forgiven in 1 m 3 s, if it stays ready",
    ]


@pytest.mark.parametrize(
    ("coming", "text"),
    [
        ({"action": "give_up", "up_to": None}, "stays failed until a start by name"),
        ({"action": "restart", "up_to": 4.0}, "it is restarted within 4.00 s"),
    ],
)
def test_what_one_more_failure_brings(coming: dict[str, Any], text: str) -> None:
    assert text in said(told(restart={"next": coming}), "next")[0]


def test_who_asked_for_the_stop() -> None:
    asked = {"at": rfc3339(NOW - 5), "verb": "stop", "by": "operator", "reason": "lunch"}
    document = told(
        "stopped", desired={"state": "stopped", "by_request": True}, requests=[asked], wanted=False
    )
    assert said(document, "desired") == [
        "it shall not run: it was stopped on request, until a start by name",
        "stop asked for by operator 5.00 s ago: lunch",
    ]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"origin": "manifest", "line": 4}, "manual, as /p/module.md:4 says"),
        (
            {"origin": "override", "file": "/p/kite.yaml", "line": 9},
            "manual, as the project says over the module itself, in /p/kite.yaml:9",
        ),
        ({"origin": "unreadable"}, "not known, as /p/module.md cannot be read"),
        (
            {"origin": "core"},
            "a core module: it comes with Kite, starts first and cannot be disabled",
        ),
    ],
)
def test_where_the_config_state_comes_from(config: dict[str, Any], text: str) -> None:
    whole = {"state": "manual", "file": "/p/module.md", "line": None, **config}
    assert said(told(config=whole), "config") == [text]


def test_how_its_lives_ended() -> None:
    common = {"ended_at": rfc3339(NOW - 2), "seconds": 5.2, "exit_code": None, "signal": None}
    lives = [
        {**common, "life": 9, "ready_at": None, "asked": None, "cause": None, "ended_at": None},
        {**common, "life": 8, "ready_at": "x", "asked": "lunch", "cause": None, "signal": 15},
        {**common, "life": 7, "ready_at": None, "asked": None, "cause": None, "exit_code": 7},
        {
            **common,
            "life": 6,
            "ready_at": None,
            "asked": None,
            "cause": "launch_timeout",
            "signal": 9,
        },
        {**common, "life": 5, "ready_at": "x", "asked": None, "cause": "unhealthy", "signal": 9},
    ]
    assert said(told(lives=lives), "exits") == [
        "life 8 ended 2.00 s ago after 5.20 s: killed by SIGTERM; its end was asked for: lunch",
        "life 7 ended 2.00 s ago after 5.20 s: exit status 7; it had not been ready",
        "life 6 ended 2.00 s ago after 5.20 s: killed by SIGKILL; it was not ready in time",
    ]
    assert said(told(lives=lives[4:]), "exits")[0].endswith("it was found unhealthy")
    for cause, words in (
        ("memory_limit", "it used more memory than limits.memory allows"),
        ("out_of_memory", "the memory of its control group was used up"),
    ):
        assert said(told(lives=[{**lives[4], "cause": cause}]), "exits")[0].endswith(words)


def test_while_kite_is_down() -> None:
    document = told("stopped", running=False)
    assert said(document, "state") == [
        "Kite is not running here, so web is stopped; this is what files say"
    ]
    assert said(document, "next") == ["the next kite up starts it"]
    assert advice(document) == [("kite up -d", "start Kite")]


def test_each_topic_stands_once_and_commands_below() -> None:
    shown = lines(
        [("state", "a"), ("state", "b"), ("next", "c")], [("kite ps", "look")], color=False
    )
    assert shown == ["state  a", "       b", "next   c", "", "what you can do:", "  kite ps  look"]


def test_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    assert said(told(), "desired") == ["它应当运行"]


def test_each_of_several_replicas_is_explained() -> None:
    place = {
        "actual_state": "running",
        "life": 1,
        "pid": 11,
        "next_try": None,
        "error": None,
        "exit_code": None,
        "signal": None,
        "crash_loop": None,
        "last_lines": [],
    }
    looping = {
        **place,
        "replica": 1,
        "life": 7,
        "pid": None,
        "actual_state": "failed",
        "exit_code": 7,
        "crash_loop": "open",
        "last_lines": ["loading", "out of paper"],
        "next_try": rfc3339(NOW + 40),
        "error": "it has crashed 3 times",
    }
    failures = [rfc3339(NOW - 20), rfc3339(NOW - 12), rfc3339(NOW - 4)]
    last = {"action": "give_up", "delay": 40.0, "up_to": 60.0, "exponent": None}
    spent = {**RULE, "failures": failures, "give_ups": 1, "crash_loop": "open", "last": last}
    document = told(
        record={"pid": 11, "replicas": [{**place, "replica": 0}, looping]},
        replicas=[
            {"replica": 0, "life": 1, "restart": RULE},
            {"replica": 1, "life": 7, "restart": spent},
        ],
    )
    assert said(document, "replicas") == [
        "replica 0: running; life 1, pid 11",
        "replica 1: failed; life 7; crash loop; it has crashed 3 times; next try in 40.0 s",
        "replica 1: failures that count now: 3 (20.0 s, 12.0 s, 4.00 s ago)",
        "replica 1: times it was given up since it was last stable: 1",
        "replica 1: crash loop: it rests 40.0 s, drawn from 30.0 s to 1 m 0 s; that doubles with"
        " each failed try, from 1 m 0 s to 30 m 0 s",
        "replica 1 | loading",
        "replica 1 | out of paper",
    ]
    assert "no failure counts now" not in said(document, "restarts")
