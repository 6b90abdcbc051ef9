"""Files of variables: what each line means, and what is said of one that means nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.model.dotenv import parse_dotenv

KNOWN = {"HOME": "/home/ada", "EMPTY": ""}


def read(text: str) -> dict[str, str]:
    return parse_dotenv(text, ".env", known=KNOWN)


def wrong(text: str) -> tuple[str, int]:
    with pytest.raises(ConfigError) as raised:
        read(text)
    assert raised.value.params["path"] == ".env"
    assert raised.value.location is not None
    assert raised.value.location.line == raised.value.params["line"]
    return raised.value.code, raised.value.params["line"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A=\n", ""),
        ("  A = b  \n", "b"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=b c", "b c"),
        ("A=b # note", "b"),
        ("A=# note", "# note"),
        ("A=b#c", "b#c"),
        ("A=b=c", "b=c"),
        ("A=it's", "it's"),
        ("A=back\\nslash", "back\\nslash"),
        ("A='b # c'", "b # c"),
        ("A='b\\n${HOME}'", "b\\n${HOME}"),
        ("A='b\nc' # note", "b\nc"),
        ('A="b # c"', "b # c"),
        ('A="b\nc"', "b\nc"),
        ('A="b\\nc\\t\\r\\"\\\\"', 'b\nc\t\r"\\'),
        ('A="\\d+"', "\\d+"),
        ('A=""', ""),
        ("A=''", ""),
        ("A=$HOME", "$HOME"),
        ("A=${HOME}/x", "/home/ada/x"),
        ('A="${HOME}"', "/home/ada"),
        ('A="\\${HOME}"', "${HOME}"),
        ("A=${NONE:-b}", "b"),
        ("A=${EMPTY:-b}", "b"),
        ("A=${EMPTY}", ""),
        ("A=${NONE:-}", ""),
        ("A=b\r\n", "b"),
        ("A='b\r\nc'\r\n", "b\nc"),
        ("A=b\nA=c", "c"),
        ("A=$(id)`id`", "$(id)`id`"),
        ("A=你好", "你好"),
    ],
)
def test_a_value(text: str, value: str) -> None:
    assert read(text)["A"] == value


def test_comments_and_empty_lines_are_skipped_and_order_is_kept() -> None:
    assert list(read("# a\n\n  # b\nB=1\n\t\nA=2\n#end").items()) == [("B", "1"), ("A", "2")]
    assert read("") == read("\n\n") == read("# only") == {}


def test_a_variable_may_use_those_above_it_and_they_go_before_known_ones() -> None:
    assert read("HOME=/elsewhere\nA=${HOME}/x\nB=${A}/y")["B"] == "/elsewhere/x/y"
    assert wrong("A=${B}\nB=1") == ("env_file_unknown_variable", 1)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("A=1\nB\n", "env_file_wrong", 2),
        ("A=1\n\n# note\n=2", "env_file_wrong", 4),
        ("1A=1", "env_file_wrong", 1),
        ("A B=1", "env_file_wrong", 1),
        ("A: 1", "env_file_wrong", 1),
        ("A='b", "env_file_wrong", 1),
        ('A=1\nB="b\nc\nd', "env_file_wrong", 2),
        ('A="b" c', "env_file_wrong", 1),
        ("A='b\nc'd", "env_file_wrong", 2),
        ("A=${B", "env_file_wrong", 1),
        ("A=${1}", "env_file_wrong", 1),
        ("A=${B:+c}", "env_file_wrong", 1),
        ("A=${}", "env_file_wrong", 1),
        ("A=1\nB=a\0b", "env_file_wrong", 2),
        ("A=1\nKITE_PORT=5", "env_file_reserved", 2),
        ("export LISTEN_FDS=1", "env_file_reserved", 1),
        ('A="x\n${NONE}"', "env_file_unknown_variable", 2),
    ],
)
def test_what_means_nothing_is_named_with_its_line(text: str, code: str, line: int) -> None:
    assert wrong(text) == (code, line)


@given(st.text(alphabet="aA=#'\"\\${}:- \n\t\r\0é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever it is, the answer is variables or a mistake with a line, which does not show a value."""
    line = 1
    found: dict[str, str] = {}
    try:
        found = parse_dotenv(text, ".env", known={})
    except ConfigError as error:
        line = error.params["line"]
    assert 1 <= line <= text.count("\n") + 1
    assert all(name and "=" not in name for name in found)


@given(
    st.dictionaries(
        st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,5}\Z").filter(lambda n: not n.startswith(("KITE_",))),
        st.text(st.characters(exclude_characters="\0'\r", exclude_categories=["Cs"]), max_size=20),
        max_size=5,
    )
)
def test_single_quotes_keep_everything(variables: dict[str, str]) -> None:
    text = "".join(f"{name}='{value}'\n" for name, value in variables.items())
    assert read(text) == variables


def test_a_message_never_shows_the_value() -> None:
    with pytest.raises(ConfigError) as raised:
        read("PASSWORD='correct horse\n")
    assert "correct" not in str(raised.value)
