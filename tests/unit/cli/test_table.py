from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kite.cli.table import Cell, table
from kite.terminal import width


def test_columns_line_up_beneath_their_headers() -> None:
    assert table(["NAME", "PID"], [["registry", "7"], ["web", "4711"]], right=frozenset({1})) == [
        "NAME       PID",
        "registry     7",
        "web       4711",
    ]


def test_chinese_text_takes_two_columns_a_character() -> None:
    assert table(["名称", "状态", "X"], [["web", "运行中", "1"], ["b", "失败", "2"]]) == [
        "名称  状态    X",
        "web   运行中  1",
        "b     失败    2",
    ]


def test_no_line_ends_in_spaces() -> None:
    assert table(["A", "NOTE"], [["long name", ""], ["b", "why"]])[1] == "long name"


def test_the_last_column_is_cut_to_the_terminal() -> None:
    lines = table(["A", "NOTE"], [["x", "a rather long explanation"]], columns=12)
    assert lines[1] == "x  a rather…"
    assert max(map(width, lines)) <= 12


def test_colours_do_not_change_the_widths() -> None:
    rows: list[list[str | Cell]] = [[Cell("on", ("green",)), "1"], ["longer", "2"]]
    plain, painted = table(["S", "N"], rows), table(["S", "N"], rows, color=True)
    assert painted[1] == "\x1b[32mon\x1b[0m      1"
    assert plain[1] == "on      1"


@given(st.lists(st.tuples(st.text("ab文件 ", max_size=9), st.text("xy", min_size=1)), min_size=1))
def test_the_second_column_begins_at_one_place(rows: list[tuple[str, str]]) -> None:
    lines = table(["一", "X"], [[name, f"|{text}"] for name, text in rows])
    places = {width(line[: line.index("|")]) for line in lines[1:]}
    assert len(places) == 1


ROWS: list[list[str | Cell]] = [
    ["registry", Cell("running", ("green",)), "4711", "3 m 20 s", "0", ""],
    ["a_rather_long_name_of_a_module", "failed", "-", "-", "12", "gave up: it exited"],
]


@given(st.integers(1, 90))
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    headers = ["NAME", "STATE", "PID", "UPTIME", "RESTARTS", "NOTE"]
    lines = table(headers, ROWS, columns=columns, right=frozenset({2, 3, 4}), spare=(4, 3, 2))
    assert max(map(width, lines)) <= columns


def test_a_narrow_terminal_shows_names_states_and_notes() -> None:
    headers = ["NAME", "STATE", "PID", "UPTIME", "RESTARTS", "NOTE"]
    narrow = table(headers, ROWS, columns=40, right=frozenset({2, 3, 4}), spare=(4, 3, 2))
    assert narrow == [
        "NAME           STATE    NOTE",
        "registry       running",
        "a_rather_lon…  failed   gave up: it exi…",
    ]
    tiny = table(headers, ROWS, columns=20, right=frozenset({2, 3, 4}), spare=(4, 3, 2))
    assert tiny == ["NAME         STATE", "registry     running", "a_rather_l…  failed"]
