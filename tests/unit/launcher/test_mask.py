"""Secrets in what modules print are covered where they stand literally."""

from __future__ import annotations

from kite.launcher.mask import LEAST, SHOWN, Mask


def test_a_secret_is_covered_wherever_it_stands() -> None:
    mask = Mask(["sk-0123456789"])
    lines = ["key=sk-0123456789,sk-0123456789.", "nothing"]
    assert mask.lines(lines) == [f"key={SHOWN},{SHOWN}.", "nothing"]


def test_the_longer_of_two_goes_first() -> None:
    assert Mask(["password", "password-2"]).text("password-2 password") == f"{SHOWN} {SHOWN}"


def test_a_short_one_is_left_as_it_would_be_found_everywhere() -> None:
    assert Mask(["a" * (LEAST - 1)]).text("a" * LEAST) == "a" * LEAST


def test_one_of_several_lines_is_covered_line_by_line() -> None:
    mask = Mask(["-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n"])
    assert mask.lines(["MIIEvQIBADAN"]) == [SHOWN]


def test_characters_mean_themselves() -> None:
    assert Mask([".*.*.*.*+"]).lines(["anything", ".*.*.*.*+"]) == ["anything", SHOWN]


def test_without_secrets_lines_are_the_very_same() -> None:
    lines = ["a"]
    assert Mask([]).lines(lines) is lines
