"""What a start waited for: the times, the critical chain, the drawings."""

from __future__ import annotations

from typing import Any

import pytest

from kite.cli.lifecycle_log import lives, newest_start
from kite.cli.startup.chain import critical_chain
from kite.cli.startup.drawing import blame_lines, chain_lines, plot_lines, summary
from kite.cli.startup.timeline import Timeline, timeline
from kite.clock import rfc3339

BEGAN = 1_800_000_000.0


def step(at: float, event: str, module: str = "launcher", **fields: Any) -> dict[str, Any]:
    return {"ts": rfc3339(BEGAN + at), "event": event, "module": module, **fields}


CORE = [
    step(0.0, "starting", life=1),
    step(0.01, "starting", "registry", life=1),
    step(0.02, "starting", "event_hub", life=1),
    step(0.3, "started", "event_hub", life=1),
    step(0.5, "started", "registry", life=1),
    step(0.5, "started"),
]
"""The core is up after half a second."""

START = [
    *CORE,
    step(0.5, "starting", "base", life=1, waited=0.4),
    step(0.5, "starting", "job", life=1, waited=0.4),
    step(0.5, "waiting", "web", **{"for": ["base"]}),
    step(0.5, "waiting", "page", **{"for": ["web", "job"]}),
    step(0.5, "waiting", "lost", **{"for": ["never"]}),
    step(0.51, "started", "job", life=1),
    step(0.8, "started", "base", life=1),
    step(0.8, "starting", "web", life=1, waited=0.7, after=["base"]),
    step(0.9, "exited", "job", life=1, exit_code=0),
    step(1.0, "started", "web", life=1),
    step(1.3, "starting", "page", life=1, waited=1.2, place=0.3, after=["web"]),
    step(1.7, "exited", "page", life=1, exit_code=1),
    step(1.8, "starting", "page", life=2),
    step(2.0, "started", "page", life=2),
    step(2.0, "settled"),
    step(60.0, "starting", "later", life=1),
    step(61.0, "started", "later", life=1),
]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITE_LANG", "en")


@pytest.fixture
def line() -> Timeline:
    found = timeline(START)
    assert found is not None
    return found


def test_the_times_of_the_whole(line: Timeline) -> None:
    assert line.doors_at == pytest.approx(0.5)
    assert line.settled_at == line.seconds == pytest.approx(2.0)


def test_what_each_module_waited_for(line: Timeline) -> None:
    page = line.modules["page"]
    assert page.waiting_at == pytest.approx(0.1)
    assert page.core == pytest.approx(0.4)
    assert page.place == pytest.approx(0.3)
    assert page.blocked == pytest.approx(0.5)
    assert (page.after, page.missing, page.starts) == (("web",), (), 2)
    assert page.starting == pytest.approx(0.7), "from its first process to ready"
    assert line.modules["lost"].missing == ("never",)


def test_what_starts_afterwards_was_not_waited_for(line: Timeline) -> None:
    assert "later" not in line.modules


def test_the_critical_chain(line: Timeline) -> None:
    links = critical_chain(line)
    assert [link.name for link in links] == ["page", "web", "base", "registry", "launcher"]
    assert [link.place for link in links] == pytest.approx([0.3, 0, 0, 0, 0])
    assert [link.at for link in links[:4]] == pytest.approx([2.0, 1.0, 0.8, 0.5])


def test_a_chain_through_a_completed_job() -> None:
    found = timeline(
        [
            *CORE,
            step(0.5, "starting", "job", life=1),
            step(0.5, "started", "job", life=1),
            step(0.9, "exited", "job", life=1, exit_code=0),
            step(0.9, "starting", "web", life=1, waited=0.4, after=["job"]),
            step(1.0, "started", "web", life=1),
        ]
    )
    assert found is not None
    links = critical_chain(found)
    assert [(link.name, round(link.at, 3)) for link in links[:2]] == [("web", 1.0), ("job", 0.9)]


def test_a_start_that_hangs_in_the_core() -> None:
    found = timeline(CORE[:3])
    assert found is not None
    assert found.doors_at is None
    assert critical_chain(found) == []
    assert "the start is not over" in summary(found, color=False)[0]
    assert chain_lines([], color=False) == ["no module was ready"]
    assert plot_lines(found, color=False, columns=80)


def test_only_the_newest_start_counts() -> None:
    older = [step(-9.0, "starting", life=1), step(-8.0, "starting", "old", life=1)]
    assert newest_start([*older, *START]) == START
    assert newest_start(older[1:]) == []
    assert timeline([]) is None


def test_the_drawings(line: Timeline) -> None:
    assert summary(line, color=False) == [
        "the start took 2.00 s",
        "  core modules 500 ms, then the others 1.50 s",
        "  lost: waits for never",
    ]
    assert chain_lines(critical_chain(line), color=False)[1:4] == [
        "  page @2.00 s +700 ms, 300 ms for a place",
        "  └─web @1.00 s +200 ms",
        "    └─base @800 ms +300 ms",
    ]
    table = blame_lines(line, color=False, columns=None)
    assert table[0].split() == ["STARTING", "BLOCKED", "PLACE", "CORE", "NAME"]
    assert table[1].endswith("page")
    chart = plot_lines(line, color=False, columns=60)
    page = next(row for row in chart if row.startswith("page"))
    assert "·" in page
    assert "~" in page
    assert page.index("·") < page.index("-") < page.index("~") < page.index("=") < page.index("|")
    assert all(len(row) <= 60 for row in chart[:-1])


def test_lives_as_they_were_written_down() -> None:
    found = lives(
        [
            step(0, "starting", "a", life=1),
            step(1, "started", "a", life=1),
            step(2, "exited", "a", life=1, signal=9),
            step(3, "starting", "a", life=2),
            step(9, "start_failed", "a", life=2, reason="launch_timeout"),
            step(9, "exited", "a", life=2, signal=15),
            step(10, "starting", "a", life=3),
            step(11, "started", "a", life=3),
            step(12, "unhealthy", "a", life=3),
            step(12, "stopping", "a", life=3, reason="unhealthy"),
            step(13, "exited", "a", life=3, exit_code=0),
            step(14, "starting", "a", life=4),
            step(15, "stopping", "a", life=4, reason="lunch"),
            step(16, "exited", "a", life=4, exit_code=0),
            step(17, "starting", "a", life=5),
            step(18, "over_memory", "a", life=5, used=300, limit=200),
            step(18, "stopping", "a", life=5, reason="memory_limit"),
            step(19, "exited", "a", life=5, signal=15),
            step(20, "starting", "a", life=6),
            step(21, "exited", "a", life=6, signal=9, reason="out_of_memory"),
            step(22, "starting", "a", life=7),
        ]
    )
    told = [(one.seconds, one.cause, one.asked, one.ready_at is not None) for one in found]
    assert told == [
        (2.0, None, None, True),
        (6.0, "launch_timeout", None, False),
        (3.0, "unhealthy", None, True),
        (2.0, None, "lunch", False),
        (2.0, "memory_limit", None, False),
        (1.0, "out_of_memory", None, False),
        (None, None, None, False),
    ]
