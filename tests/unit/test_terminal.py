from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite import terminal


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Tty(), {"TERM": "xterm"}, True),
        (Tty(), {"TERM": "dumb"}, False),
        (Tty(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "0"}, False),
        (io.StringIO(), {"CLICOLOR_FORCE": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_who_gets_colours(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    assert terminal.wants_color(stream, environ) is wanted


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        ("hello", "hello", "hello"),
        ("\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m"),
        ("\x1b[2J\x1b[Hgone", "gone", "gone"),
        ("\x1b]0;title\x07text", "text", "text"),
        ("\x1b]8;;http://x\x1b\\link", "link", "link"),
        ("10%\r20%\r100%", "100%", "100%"),
        ("windows\r", "windows", "windows"),
        ("tab\there", "tab\there", "tab\there"),
        ("bell\x07 nul\x00", "bell� nul�", "bell� nul�"),
        ("c1 \x9b31m", "c1 �31m", "c1 �31m"),
        ("open \x1b[", "open ", "open "),
    ],
)
def test_what_could_move_the_cursor_is_taken_out(text: str, plain: str, colored: str) -> None:
    assert terminal.clean(text, color=False) == plain
    assert terminal.clean(text, color=True) == colored


@given(st.text())
def test_cleaned_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    cleaned = terminal.clean(text, color=False)
    assert not any((ord(c) < 32 and c not in "\t\n") or 0x7F <= ord(c) < 0xA0 for c in cleaned)


@given(st.text("ab文件é́", max_size=30), st.integers(1, 20))
def test_fitted_text_fits(text: str, columns: int) -> None:
    fitted = terminal.fit(text, columns)
    assert terminal.width(fitted) <= columns
    assert fitted == text or fitted.endswith("…")


def test_a_name_keeps_its_colour() -> None:
    assert terminal.name_color("web") == terminal.name_color("web")
    assert {terminal.name_color(f"m{n}") for n in range(20)} == set(terminal.NAME_COLORS)
