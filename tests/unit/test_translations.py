"""Every message has a Chinese translation that fills the same placeholders."""

from __future__ import annotations

import ast
import gettext
import json
import string
from pathlib import Path

import pytest

import kite
import kite.locale
from kite.errors import ERRORS_FILE
from kite.locale import LANGUAGES, language, translate
from kite.model import phrases

SOURCE = Path(kite.__file__).parent
FOLDER = Path(kite.locale.__file__).parent / "zh_CN" / "LC_MESSAGES"


def literals() -> dict[str, str]:
    """Every text that goes through `_`, and where it stands."""
    found: dict[str, str] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        if "templates" in file.relative_to(SOURCE).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id != "_":
                continue
            place = f"{file.relative_to(SOURCE)}:{node.lineno}"
            text = node.args[0]
            value = text.value if isinstance(text, ast.Constant) else None
            assert isinstance(value, str), f"{place}: only a literal can be looked up"
            found.setdefault(value, place)
    return found


def error_texts() -> dict[str, str]:
    """Every message and hint of protocol/errors.json, and its code."""
    entries = json.loads(ERRORS_FILE.read_text(encoding="utf-8"))
    return {
        text: code
        for code, entry in entries.items()
        for text in (entry["message"], entry.get("hint", ""))
        if text
    }


CLICKS_WORDS = {
    "Commands", "Options", "Show this message and exit.", "Usage:", "default: {default}", "required",
}  # fmt: skip
"""What click itself looks up for its help pages."""


def used() -> set[str]:
    """Every text that somebody looks up."""
    expected = {value for name, value in vars(phrases).items() if name.isupper()}
    return {*literals(), *error_texts(), *expected, *CLICKS_WORDS}


def parse_po(path: Path) -> dict[str, str]:
    """What the .po file says, read without any library: msgid → msgstr."""
    entries: dict[str, str] = {}
    key, field, parts = "", "", {"msgid": "", "msgstr": ""}
    for line in [*path.read_text(encoding="utf-8").splitlines(), 'msgid ""']:
        word, _, rest = line.partition(" ")
        if word in parts:
            if word == "msgid":
                key = parts["msgid"]
                if key:
                    entries[key] = parts["msgstr"]
                parts = {"msgid": "", "msgstr": ""}
            field = word
            parts[field] += ast.literal_eval(rest)
        elif line.startswith('"'):
            parts[field] += ast.literal_eval(line)
    return entries


@pytest.fixture(scope="module")
def chinese() -> dict[str, str]:
    return parse_po(FOLDER / "kite.po")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_literal_is_translated(chinese: dict[str, str]) -> None:
    texts = literals()
    assert len(texts) > 100
    missing = {text: place for text, place in texts.items() if not chinese.get(text)}
    assert not missing


def test_every_error_is_translated(chinese: dict[str, str]) -> None:
    missing = {code: text for text, code in error_texts().items() if not chinese.get(text)}
    assert not missing


def test_every_translation_is_used(chinese: dict[str, str]) -> None:
    assert set(chinese) - used() == set()


def test_every_phrase_is_translated(chinese: dict[str, str]) -> None:
    phrased = {value for name, value in vars(phrases).items() if name.isupper()}
    assert len(phrased) > 20
    assert phrased <= set(chinese)


def test_a_translation_fills_the_same_placeholders(chinese: dict[str, str]) -> None:
    wrong = {
        text: (chinese[text], place)
        for text, place in {**literals(), **error_texts()}.items()
        if text in chinese and placeholders(text) != placeholders(chinese[text])
    }
    assert not wrong


def test_translations_are_chinese(chinese: dict[str, str]) -> None:
    """A translation that is the English text is a forgotten one, but for names and commands."""
    same = {text for text, translation in chinese.items() if text == translation}
    assert same <= {"Kite", "PID", "{names}", "{detail}", "default: {default}"}


def test_the_compiled_catalogue_is_that_of_the_source(chinese: dict[str, str]) -> None:
    with (FOLDER / "kite.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    catalogue = {
        key: text for key, text in compiled._catalog.items() if isinstance(key, str) and key
    }
    assert catalogue == {key: text for key, text in chinese.items() if text}


def test_messages_are_sentences_of_the_house() -> None:
    """Lower case at the start (but names), and no full stop at the end."""
    entries = json.loads(ERRORS_FILE.read_text(encoding="utf-8"))
    for code, entry in entries.items():
        assert not entry["message"].endswith("."), code
        assert not entry.get("hint", "").endswith("."), code


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "KITE_LANG": "zh"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "KITE_LANG": "en"}, "en"),
        ({"KITE_LANG": "zh-CN"}, "zh_CN"),
    ],
)
def test_the_locale_chooses_and_kite_lang_overrides(
    environ: dict[str, str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KITE_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert language() == chosen
    assert chosen in LANGUAGES
    assert (translate("Show this message and exit.") == "显示此信息并退出。") is (chosen == "zh_CN")
