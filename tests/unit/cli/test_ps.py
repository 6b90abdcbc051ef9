from __future__ import annotations

from typing import Any

import pytest

from kite.cli.ps import EXTENSIONS, last_words, lines, note, uptime
from kite.clock import rfc3339

NOW = 1_800_000_000.0


def record(name: str, state: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "config_state": "enabled",
        "desired_state": "running",
        "actual_state": state,
        "pid": None,
        "uptime": None,
        "restarts": 0,
        "exit_code": None,
        "signal": None,
        "waiting_for": [],
        "next_try": None,
        "error": None,
        **more,
    }


RECORDS = [
    record("registry", "running", pid=101, uptime=59.9, cpu_percent=0.3, memory_bytes=24 * 1024**2),
    record("docs_index", "failed", restarts=2, exit_code=3, next_try=rfc3339(NOW + 60)),
    record("web", "waiting", waiting_for=["docs_index"]),
    record("old", "stopped", config_state="disabled", desired_state="stopped"),
    record(
        "watchdog",
        "running",
        pid=102,
        module_dir=f"{EXTENSIONS}/watchdog",
        cpu_percent=149.9,
        memory_bytes=3 << 29,
        unenforced=["cpu"],
    ),
    record("launcher", "running", pid=99),
]


def test_the_table_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    assert lines(RECORDS, NOW, color=False) == [
        "NAME        STATE    PID  UPTIME  RESTARTS    CPU       MEM  NOTE",
        "launcher    running   99       -         0      -         -",
        "registry    running  101    59 s         0  0.3 %  24.0 MiB",
        "watchdog    running  102       -         0  150 %   1.5 GiB  limits.cpu is not enforced here",
        "docs_index  failed     -       -         2      -         -  exit status 3; next try in 1 min 0 s",
        "old         stopped    -       -         0      -         -  disabled",
        "web         waiting    -       -         0      -         -  waits for docs_index",
    ]


def test_the_table_in_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "zh_CN")
    shown = lines(RECORDS, NOW, color=False)
    assert [shown[0], shown[2], shown[4]] == [
        "名称        状态    PID  运行时间  重启  处理器      内存  备注",
        "registry    运行中  101      59 s     0   0.3 %  24.0 MiB",
        "docs_index  失败      -         -     2       -         -  退出状态 3; 下次尝试：1 min 0 s后",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (61, "1 m 1 s"),
        (7_500, "2 h 5 m"),
        (273_600, "3 d 4 h"),
    ],
)
def test_uptime(seconds: float | None, shown: str) -> None:
    assert uptime(seconds) == shown


def test_who_does_not_do_well_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    tired = {"status": "degraded", "detail": "http://127.0.0.1:1/ answered 503: degraded"}
    assert note(record("a", "running", health=tired), NOW) == (
        "degraded: http://127.0.0.1:1/ answered 503: degraded"
    )
    hung = {"status": "unhealthy", "detail": "connection asleep"}
    assert note(record("a", "running", health=hung), NOW) == "unhealthy: connection asleep"
    assert note(record("a", "stopped", desired_state="stopped", health=hung), NOW) == ""
    well = {"status": "healthy", "detail": "ok"}
    assert note(record("a", "running", health=well), NOW) == ""


def test_a_killed_module_says_by_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    assert note(record("web", "backing_off", signal="SIGSEGV"), NOW) == "killed by SIGSEGV"
    assert note(record("web", "backing_off", signal=9), NOW) == "killed by SIGKILL"


@pytest.mark.parametrize("how", [{"signal": 15}, {"exit_code": 0}, {"exit_code": 1}])
def test_a_stop_that_was_asked_for_is_no_accident(how: dict[str, int]) -> None:
    """Whether the signal or the module's own end came first is a race that nobody need see."""
    assert note(record("web", "stopped", desired_state="stopped", **how), NOW) == ""
    broken = record("web", "stopped", desired_state="stopped", error="2 survivors", **how)
    assert note(broken, NOW) == "2 survivors"


@pytest.mark.parametrize("state", ["waiting", "starting", "running", "stopping"])
def test_how_an_earlier_process_ended_is_no_news(state: str) -> None:
    assert note(record("web", state, signal=9), NOW) == ""


@pytest.mark.parametrize(
    ("reason", "said"), [("lunch", "stopped: lunch"), ("stop_requested", ""), (None, "")]
)
def test_why_somebody_stopped_it_in_his_own_words(
    monkeypatch: pytest.MonkeyPatch, reason: str | None, said: str
) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    stopped = record("web", "stopped", desired_state="stopped", signal=15, reason=reason)
    assert note(stopped, NOW) == said


def test_a_module_of_a_schedule_runs_again_and_tries_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    done = record("backup", "stopped", exit_code=0, next_try=rfc3339(NOW + 2))
    assert note(done, NOW) == "exit status 0; next run in 2.00 s"


def test_the_note_is_cut_to_the_terminal() -> None:
    wide = record("web", "failed", error="e" * 300)
    assert all(len(line) <= 80 for line in lines([wide], NOW, color=False, columns=80))


def test_the_last_line_of_those_that_failed() -> None:
    records = [
        record("weed", "failed", last_lines=["Traceback", "KeyError: \x1b[31m1", " "]),
        record("long_name", "backing_off", last_lines=["no paper"]),
        record("fine", "running", last_lines=[]),
        record("older", "running"),
    ]
    assert last_words(records) == ["long_name | no paper", "weed      | KeyError: 1"]


def replica(number: int, state: str = "running", **more: Any) -> dict[str, Any]:
    return {"replica": number, "actual_state": state, "next_try": None, **more}


def test_each_of_several_replicas_has_its_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")
    hung = {"status": "unhealthy", "detail": "connection asleep"}
    crew = record(
        "crew",
        "running",
        replicas=[
            replica(0),
            replica(
                1,
                "failed",
                crash_loop="open",
                next_try=rfc3339(NOW + 40),
                last_lines=["loading", "out of paper"],
            ),
            replica(2, health=hung),
        ],
    )
    assert note(crew, NOW) == (
        "2 of 3 ready; replica 1: crash loop, next try in 40.0 s;"
        " replica 2: unhealthy: connection asleep"
    )
    assert last_words([crew]) == ["crew/1 | out of paper"]
    well = record("crew", "running", replicas=[replica(0), replica(1)])
    assert note(well, NOW) == "2 of 2 ready"
