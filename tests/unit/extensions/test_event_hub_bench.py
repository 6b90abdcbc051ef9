"""What the benchmark computes and shows, without a Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.extensions.event_hub_bench.plan import Plan
from kite.extensions.event_hub_bench.result import Row, document, percentile, table, write

ROWS = [
    Row(name="throughput", value=123456.7, unit="events/s", detail="one to one"),
    Row(name="p50", value=93.5, unit="microseconds", detail="x"),
]


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile(values, 1.0) == 100.0
    assert percentile([7.0], 0.01) == 7.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_enough_values_do_not_exceed_a_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values) + 1e-6


def test_the_plan_has_defaults_and_reads_the_environment() -> None:
    assert Plan.read({}) == Plan()
    given = {"BENCH_SECONDS": "1.5", "BENCH_SUBSCRIBERS": "2", "BENCH_SIZE": "0", "BENCH_RATE": "9"}
    assert Plan.read(given) == Plan(seconds=1.5, subscribers=2, size=0, rate=9)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("BENCH_SECONDS", "0"),
        ("BENCH_SECONDS", "nan"),
        ("BENCH_SUBSCRIBERS", "many"),
        ("BENCH_SUBSCRIBERS", "0"),
        ("BENCH_SIZE", "2000000"),
        ("BENCH_RATE", "-5"),
    ],
)
def test_a_wrong_plan_is_named_with_its_value(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        Plan.read({name: text})
    assert f"{name} is '{text}', expected a number from" in str(wrong.value)


def test_the_table_stands_in_columns() -> None:
    assert table(ROWS) == [
        "throughput  123,457 events/s      one to one",
        "p50           93.50 microseconds  x",
    ]


def test_the_file_is_whole_and_names_nobody(tmp_path: Path) -> None:
    write(tmp_path, document("2026-01-01T00:00:00.000Z", ROWS, Plan()))
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    text = (tmp_path / "result.json").read_text()
    found = json.loads(text)
    assert found["results"][0]["value"] == 123456.7
    assert found["settings"]["subscribers"] == 8
    assert "/" not in text.replace("events/s", "")
