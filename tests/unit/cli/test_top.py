"""What `kite top` makes of the Hub's counters and of the events it looks at, and how it looks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.cli import top_modules
from kite.cli.hub.top_rates import (
    BUDGET,
    MOST_SUBJECTS,
    OTHERS,
    SORTS,
    ClientRate,
    Look,
    Sample,
    Smoothing,
    SubjectRate,
    clients,
    flow,
    read,
    sorted_clients,
    sorted_subjects,
)
from kite.cli.hub.top_view import Style, document, picture
from kite.terminal import width

METRICS = """
# HELP kite_hub_client_in_total events
kite_hub_client_in_total{connection="1",module="rose"} %d.0
kite_hub_client_out_total{connection="1",module="rose"} 1.0e+06
kite_hub_client_queued_bytes{connection="1",module="rose"} 2048.0
kite_hub_client_queued{connection="1",module="rose"} 3.0
kite_hub_client_dropped_total{module="rose",connection="1"} %d.0
kite_hub_closed_in_total{module="tulip"} %d.0
kite_hub_closed_in_total{module="daisy"} 5.0
kite_hub_connections 1.0
"""


def test_clients_and_totals() -> None:
    before, now = read(METRICS % (100, 0, 50), at=10.0), read(METRICS % (300, 4, 150), at=12.0)
    (rose,) = clients(before, now)
    assert (rose.module, rose.connection, rose.taken, rose.given) == ("rose", 1, 100.0, 0.0)
    assert (rose.queued, rose.queued_bytes, rose.dropped, rose.is_losing) == (3, 2048, 4, True)
    assert flow(before, now, "in") == 150.0, "whoever has left counts too"
    assert flow(now, before, "in") == 0.0, "the Hub has begun anew"


def test_a_new_client_is_counted_from_its_beginning() -> None:
    now = read(METRICS % (300, 0, 0), at=2.0)
    (rose,) = clients(read("", at=0.0), now)
    assert rose.taken == 150.0


def test_subjects_by_rate() -> None:
    look = Look(began=10.0)
    for _ in range(4):
        assert not look.seen("a.b", 100)
    look.seen("_reply.rose.7", 10)
    look.seen("_reply.rose.8.9", 10)
    assert look.rates(12.0) == {"a.b": (2.0, 200.0), "_reply.rose.>": (1.0, 10.0)}
    assert look.share(12.0) == 1.0


def test_enough_is_said_once_and_what_was_looked_at_is_scaled_up() -> None:
    look = Look(began=0.0)
    said = [look.seen("a", 1) for _ in range(BUDGET + 10)]
    assert said.index(True) == BUDGET - 1
    assert said.count(True) == 1
    look.ended = 0.5
    assert look.rates(1.0)["a"][0] == (BUDGET + 10) / 0.5
    assert look.share(1.0) == 0.5


def test_what_was_dropped_counts_as_if_it_were_alike() -> None:
    look = Look(began=0.0)
    for subject in ("a", "a", "a", "b"):
        look.seen(subject, 8)
    look.missed = 4
    assert look.rates(1.0) == {"a": (6.0, 48.0), "b": (2.0, 16.0)}


def test_memory_is_bounded() -> None:
    look = Look(began=0.0)
    for number in range(MOST_SUBJECTS + 5):
        look.seen(f"s.{number}", 1)
    rates = look.rates(1.0)
    assert len(rates) == MOST_SUBJECTS + 1
    assert rates[OTHERS] == (5.0, 5.0)


def test_nothing_seen_is_nothing() -> None:
    assert Look(began=0.0).rates(0.0) == {}
    assert Look(began=0.0).rates(1.0) == {}


def test_smoothing_is_the_mean_of_the_last() -> None:
    smoothing = Smoothing(2)
    smoothing.add({"a": (9.0, 9.0)})
    smoothing.add({"a": (4.0, 8.0), "b": (2.0, 2.0)})
    rows = smoothing.add({"a": (0.0, 0.0)})
    assert rows == [SubjectRate("a", 2.0, 4.0), SubjectRate("b", 1.0, 1.0)]


def client(module: str, number: int = 1, **changed: object) -> ClientRate:
    values: dict[str, object] = {
        "taken": 1.0, "given": 1.0, "queued": 0, "queued_bytes": 0, "dropped": 0, "stalls": 0,
    }  # fmt: skip
    return ClientRate(module=module, connection=number, **{**values, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "order"),
    [("rate", "bca"), ("in", "bac"), ("out", "cab"), ("name", "abc"), ("bytes", "bca"),
     ("queued", "abc"), ("dropped", "cab"), ("stalls", "bac")],
)  # fmt: skip
def test_sorting_clients(key: str, order: str) -> None:
    rows = [
        client("a", queued_bytes=9, dropped=1),
        client("b", taken=9.0, queued_bytes=5, stalls=1),
        client("c", given=2.0, dropped=2),
    ]
    assert "".join(row.module for row in sorted_clients(rows, key)) == order


def test_sorting_subjects() -> None:
    rows = [SubjectRate("a", 1, 9), SubjectRate("b", 2, 1), SubjectRate("c", 2, 2)]
    found = {key: "".join(row.subject for row in sorted_subjects(rows, key)) for key in SORTS}
    assert (found["rate"], found["bytes"], found["name"], found["in"]) == (
        "bca",
        "acb",
        "abc",
        "bca",
    )


def sample(subjects: int, connections: int, looked_at: float = 1.0) -> Sample:
    return Sample(
        seconds=1.0,
        taken=12345.6,
        given=7.0,
        looked_at=looked_at,
        subjects=[SubjectRate(f"sub.ject.{n}.文字", n, n * 1000) for n in range(subjects)],
        clients=[client(f"module{n % 3}", n) for n in range(connections)],
    )


@given(
    st.integers(0, 60), st.integers(0, 60), st.integers(1, 200), st.integers(1, 80),
    st.none() | st.integers(1, 30),
)  # fmt: skip
def test_it_always_fits(
    subjects: int, there: int, columns: int, lines: int, rows: int | None
) -> None:
    style = Style(columns=columns, lines=lines, rows=rows)
    shown = picture(sample(subjects, there, 0.1), style, title="garden  12:00:00", note="note")
    assert len(shown) <= lines
    assert all(width(line) <= columns for line in shown)


def test_a_small_terminal_is_shared_and_room_is_given_to_whom_it_serves() -> None:
    both = picture(sample(50, 50), Style(columns=80, lines=25), title="t")
    assert len(both) == 25
    assert sum("sub.ject" in line for line in both) == 10
    few = picture(sample(50, 2), Style(columns=80, lines=25), title="t")
    assert sum("sub.ject" in line for line in few) == 18
    assert sum("module" in line for line in few) == 2


RECORDS = [
    {"name": "rose", "cpu_percent": 1.5, "memory_bytes": 3 << 20, "processes": 1, "restarts": 2,
     "uptime": 61.0},
    {"name": "lily", "cpu_percent": 149.6, "memory_bytes": 1 << 20, "processes": 3, "restarts": 0,
     "uptime": None},
    {"name": "weed", "cpu_percent": None, "memory_bytes": None, "processes": 0, "restarts": 9,
     "uptime": None},
]  # fmt: skip


def test_modules_that_run_are_shown_first() -> None:
    shown = picture(
        Sample(seconds=1, taken=0, given=0, looked_at=1, subjects=(), clients=(),
               modules=top_modules.read(RECORDS)),
        Style(), title="t",
    )  # fmt: skip
    assert shown[2:5] == [
        "MODULE    CPU      MEM  PROCESSES  RESTARTS   UPTIME",
        "lily    150 %  1.0 MiB          3         0        -",
        "rose    1.5 %  3.0 MiB          1         2  1 m 1 s",
    ]


@pytest.mark.parametrize(
    ("key", "order"), [("rate", "lr"), ("cpu", "lr"), ("memory", "rl"), ("restarts", "rl")]
)
def test_sorting_modules(key: str, order: str) -> None:
    rows = top_modules.sorted_modules(top_modules.read(RECORDS), key)
    assert "".join(row.name[0] for row in rows) == order


def test_three_tables_share_a_small_terminal() -> None:
    rows = top_modules.read([{**RECORDS[0], "name": f"rose{n}"} for n in range(30)])
    shown = picture(replace(sample(30, 30), modules=rows), Style(columns=80, lines=37), title="t")
    counts = [sum(word in line for line in shown) for word in ("rose", "module", "sub.ject")]
    assert (len(shown), counts) == (37, [10, 10, 10])


def test_what_is_estimated_is_said() -> None:
    exact = picture(sample(1, 1), Style(), title="garden")[0]
    assert exact == "garden  in 12,346/s  out 7.0/s  connections 1"
    assert "subjects from 4.2 % of the time" in picture(sample(1, 1, 0.0421), Style(), title="t")[0]


def test_connections_of_one_module_are_told_apart() -> None:
    rows = (client("rose", 1), client("rose", 2), client("lily", 3))
    shown = picture(
        Sample(seconds=1, taken=0, given=0, looked_at=1, subjects=(), clients=rows),
        Style(sort="name"),
        title="t",
    )
    assert [line.split("  ")[0] for line in shown[-3:]] == ["lily", "rose #1", "rose #2"]


def test_json() -> None:
    found = document(sample(3, 3), Style(rows=1), ts="2026-01-31T09:05:07.123Z")
    assert found["subjects"] == [{"subject": "sub.ject.2.文字", "events": 2, "bytes": 2000}]
    assert found["clients"][0]["module"] == "module0"
    assert (found["in"], found["looked_at"]) == (12345.6, 1.0)
    assert found["modules"] == []
    [rose, _lily] = top_modules.document(top_modules.read(RECORDS))
    assert rose == {"module": "rose", **{k: v for k, v in RECORDS[0].items() if k != "name"}}
