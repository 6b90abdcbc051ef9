"""What somebody types who does not know Kite yet."""

from __future__ import annotations

import json

import pytest

from kite.cli.command import _SAID_ELSEWHERE, Kite
from kite.cli.entry import run


@pytest.mark.parametrize(
    ("typed", "meant"), [("status", "ps"), ("ls", "ps"), ("stat", "start"), ("publish", "pub")]
)
def test_a_word_of_another_tool_leads_to_ours(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verb that does what was meant is named, not the one that is spelled most alike."""
    assert run(["--json", "--lang", "en", typed]) == 2
    assert json.loads(capsys.readouterr().err)["params"]["near"] == meant


def test_words_of_other_tools_lead_to_verbs_and_are_none_of_ours() -> None:
    """The list names verbs that there are, and hides none."""
    verbs = Kite(name="kite").list_commands(None)  # type: ignore[arg-type]
    assert set(_SAID_ELSEWHERE.values()) <= {*verbs, "--version"}
    assert not set(_SAID_ELSEWHERE) & set(verbs)


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    """`kite help` and `kite help VERB` show what `--help` shows."""
    assert run(["--lang", "en", "help"]) == 0
    assert "rescan" in capsys.readouterr().out
    assert run(["--lang", "en", "help", "up"]) == 0
    assert "--wait" in capsys.readouterr().out
    assert run(["--lang", "en", "help", "frob"]) == 2


@pytest.mark.parametrize("words", [["events", "--count", "x"], ["logs", "-n", "x"]])
def test_a_wrong_value_leads_to_the_help_of_its_verb(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The hint names the verb whose option was given a wrong value."""
    assert run(["--lang", "en", *words]) == 2
    assert f"see kite {words[0]} --help" in capsys.readouterr().err
