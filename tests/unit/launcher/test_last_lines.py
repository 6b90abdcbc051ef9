"""What is told with the end of a life, whatever it has printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.last_lines import COUNT, SIZE, LastLines


def kept(*batches: list[str]) -> list[str]:
    last = LastLines()
    for lines in batches:
        last.add(lines)
    return list(last)


def test_the_last_lines_in_their_order() -> None:
    assert kept([]) == []
    assert kept(["a"], ["b", ""], ["c"]) == ["a", "b", "", "c"]
    assert kept([str(n) for n in range(1000)], ["end"]) == [*map(str, range(981, 1000)), "end"]


def test_a_long_line_is_cut_and_does_not_displace_all_others() -> None:
    first, last = kept(["before"], ["x" * 16384])
    assert first == "before"
    assert last == "x" * 1023 + "…"


@given(st.lists(st.lists(st.text(max_size=3000), max_size=30), max_size=8))
def test_it_stays_small(batches: list[list[str]]) -> None:
    lines = kept(*batches)
    printed = [line for batch in batches for line in batch]
    assert len(lines) <= COUNT
    assert sum(len(line.encode("utf-8", "replace")) for line in lines) <= SIZE
    if printed:
        assert lines[-1][:1000] == printed[-1][:1000]
