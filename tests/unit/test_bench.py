"""The benchmarks' own arithmetic: a wrong percentile would be a wrong promise."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytest.importorskip("bench.figure", reason="only in the repository")
from bench.figure import Figure, best, machine, percentile, table
from bench.hub.picture import svg
from bench.idle import pss, use
from bench.running import Steps
from bench.supervision import census, picture
from bench.supervision.programs import holders, sleepers, tree


def test_a_percentile_is_the_smallest_that_enough_do_not_exceed() -> None:
    values = [float(n) for n in range(50, 0, -1)]
    assert percentile(values, 0.95) == 48.0
    assert percentile(values, 0.5) == 25.0
    assert percentile([3.0], 0.95) == 3.0


def test_the_best_is_the_smallest_and_says_the_median() -> None:
    found = best("x", [0.5, 0.3, 0.4], "s", target=0.35)
    assert (found.value, found.is_met) == (0.3, True)
    assert "best of 3, median 0.4" in found.detail
    assert best("x", [0.5], "s").is_met is None


def test_the_table_shouts_what_is_missed() -> None:
    lines = table([Figure(name="a", value=2.0, unit="s", target=1.0, detail="so")])
    assert lines[0].split() == ["MEASURED", "VALUE", "TARGET", "HOW"]
    assert lines[1].split() == ["a", "2", "s", "≤", "1", "s", "MISSED", "so"]
    enough = Figure(name="c", value=3.0, unit="x", target=2.0, at_least=True)
    assert "≥ 2 x  met" in table([enough])[1]
    assert " 181,972 events/s" in table([Figure(name="b", value=181971.6, unit="events/s")])[1]


def test_the_table_names_others_before_it_says_how() -> None:
    figure = Figure(name="a", value=2.0, unit="s", detail="so", peers={"b": 3.0, "c": 1234.5})
    assert table([figure])[1].endswith("b 3, c 1,234; so")


def test_the_machine_has_no_name() -> None:
    assert os.uname().nodename not in json.dumps(machine())


def test_a_process_has_used_time_and_memory() -> None:
    before = use(os.getpid())
    deadline = time.monotonic() + 10
    while use(os.getpid()).seconds <= before.seconds:  # the account is kept at each tick
        assert time.monotonic() < deadline
    assert pss(os.getpid()) > 1


def test_steps_are_followed_from_now_on_even_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "lifecycle.jsonl"
    path.write_text('{"event": "old"}\n')
    steps = Steps(path)
    with path.open("a") as file:
        file.write('{"event": "a"}\n{"event": "b"}\n{"event": "c"}\n{"ev')
        file.flush()
        assert steps.wait(lambda step: step["event"] != "old", 5)["event"] == "a"
        assert steps.wait(lambda step: step["event"] == "c", 5)["event"] == "c"
        file.write('ent": "d"}\n')
        file.flush()
        assert steps.wait(lambda step: True, 5)["event"] == "d"
    with pytest.raises(TimeoutError):
        steps.wait(lambda step: True, 0.01)
    steps.close()


def test_the_picture_shows_what_was_measured() -> None:
    figures = [
        Figure(name="hub 1 → 1", value=2e6, unit="deliveries/s", samples=[1e6, 3e6, 2e6]),
        Figure(name="hub 1 → 1: Kite / nats-server", value=2, unit="×", samples=[1e6, 1e6]),
        Figure(name="hub 1 → 1: Kite / Redis & Co", value=20, unit="×", samples=[1e5]),
        Figure(name="hub memory: idle", value=1, unit="MiB", samples=[1]),
    ]
    picture = ET.fromstring(svg(figures))
    space = "{http://www.w3.org/2000/svg}"
    own, nats, redis = (float(bar.attrib["width"]) for bar in picture.iter(f"{space}rect"))
    assert nats == pytest.approx(own / 2, rel=0.01)
    assert redis == pytest.approx(own / 20, rel=0.01)
    words = [text.text for text in picture.iter(f"{space}text")]
    assert words == [
        "1 publisher, 1 subscriber: deliveries a second",
        "Kite", "2.00 M", "nats-server", "1.00 M", "Redis & Co", "100 k",
    ]  # fmt: skip
    assert "Kite 2.00 M" in picture.attrib["aria-label"]


def test_a_program_is_found_by_its_number_alone(tmp_path: Path) -> None:
    """Neither the shell before its exec nor a zombie is taken for it."""
    program = sleepers(1)[0]
    arrivals = census.Arrivals(program.numbers)
    process = subprocess.Popen([program.write(tmp_path / "program")], stdout=subprocess.DEVNULL)
    try:
        arrivals.wait(10)
        assert census.programs(program.numbers) == {program.leader: process.pid}
        assert census.number_of(os.getpid()) is None
    finally:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert census.programs(program.numbers) == {}  # a zombie
        process.wait()


def test_programs_have_numbers_of_their_own() -> None:
    programs = [*sleepers(50), tree(), *holders(2)]
    numbers = [number for program in programs for number in program.numbers]
    assert len(set(numbers)) == len(numbers) == 50 + 3 + 2 * 2
    for program in programs:
        assert all(str(number) in program.text for number in program.numbers)


def test_the_picture_of_supervisors_has_the_least_first() -> None:
    figure = Figure(
        name="supervision: killed, new process, p95",
        value=12.0,
        unit="ms",
        peers={"s6": 1008.0, "PM2": 9.0},
    )
    text = picture.svg([figure, Figure(name="supervision: other", value=1, unit="s")])
    root = ET.fromstring(text)
    said = [each.text for each in root.iter() if each.get("class") == "value"]
    assert said == ["9.0 ms", "12.0 ms", "1,008 ms"]
    assert "Kite 12.0 ms" in (root.get("aria-label") or "")
