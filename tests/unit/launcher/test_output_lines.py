"""Bytes to lines, and how much of a flood becomes lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.launcher.output import MAX_LINE, Budget, LineSplitter


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_pieces_make_no_difference(pieces: list[bytes]) -> None:
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    lines += splitter.feed(b"", is_last=True)
    expected = b"".join(pieces).decode("utf-8", "replace").split("\n")
    if not expected[-1]:
        expected.pop()
    assert lines == [line.removesuffix("\r") for line in expected]


def test_a_character_that_falls_between_two_pieces_is_whole() -> None:
    splitter = LineSplitter()
    word = "风筝\n".encode()
    assert splitter.feed(word[:4]) == []
    assert splitter.feed(word[4:]) == ["风筝"]


def test_what_is_no_utf8_is_replaced() -> None:
    assert LineSplitter().feed(b"a\xff\xfeb\n") == ["a��b"]


def test_a_line_without_end_comes_out_in_pieces_and_needs_no_memory() -> None:
    splitter = LineSplitter()
    out: list[str] = []
    for _ in range(100):
        out += splitter.feed(b"x" * 10_000)
        assert len(splitter._rest) <= MAX_LINE
    out += splitter.feed(b"", is_last=True)
    assert "".join(out) == "x" * 1_000_000
    assert max(map(len, out)) == MAX_LINE


def test_a_long_whole_line_is_cut() -> None:
    lines = LineSplitter().feed(b"y" * (MAX_LINE + 1) + b"\n")
    assert [len(line) for line in lines] == [MAX_LINE, 1]


def test_skipping_counts_lines_and_marks_the_rest_of_a_cut_one() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"half of") == []
    assert splitter.skip(b" a line\nlost\nbegun") == 3
    assert splitter.feed(b" and ended\nwhole\n") == ["…  and ended", "whole"]


def test_a_budget_lets_a_burst_through_then_the_rate() -> None:
    budget = Budget(0.0, rate=1_000_000, burst=5_000_000)
    assert budget.take(5_000_000, 0.0)
    assert budget.take(1, 0.0)
    assert not budget.take(1, 0.0)
    # It does not flicker: it waits until a good piece is saved again.
    assert not budget.take(1, 0.5)
    assert budget.take(1, 1.5)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 100_000)), max_size=60))
def test_a_budget_is_never_passed_by_more_than_one_piece(takes: list[tuple[float, int]]) -> None:
    rate, burst = 200_000.0, 2_000_000.0
    budget = Budget(0.0, rate=rate, burst=burst)
    now, taken = 0.0, 0
    for gap, size in takes:
        now += gap
        if budget.take(size, now):
            taken += size
        assert taken <= burst + rate * now + 100_001
