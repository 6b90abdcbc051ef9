"""`env_file` and `secrets`: what the keys may hold, and what becomes of the files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kite.errors import ConfigError
from kite.model.env_file import mistakes_in, variables_of
from kite.model.expand import expand_manifest
from kite.model.manifest import Manifest, parse_manifest
from kite.model.mistakes import ConfigErrors
from kite.model.secret import MAX_SECRET_BYTES, values_of


def read(more: str) -> Manifest:
    return parse_manifest(f"---\nname: a\ncommand: [./run]\n{more}\n---\n", "module.md")


def variables(more: str, folder: Path, **known: str) -> dict[str, str]:
    return variables_of(read(more).env_file, str(folder), known=known)


def refused(call: Any, *arguments: Any) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        call(*arguments)
    return raised.value


def secret(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("a.env", [("a.env", False)]),
        ("a.env?", [("a.env", True)]),
        ("[a.env, 'b.env?', {path: c.env}]", [("a.env", False), ("b.env", True), ("c.env", False)]),
        ("{path: a.env, optional: true}", [("a.env", True)]),
        ("{path: 'a.env?'}", [("a.env?", False)]),
        ("[]", []),
    ],
)
def test_the_key_holds_paths(written: str, found: list[tuple[str, bool]]) -> None:
    manifest = read(f"env_file: {written}")
    assert [(each.path, each.optional) for each in manifest.env_file] == found
    assert all(each.line == 4 for each in manifest.env_file)


def test_later_files_go_before_earlier_ones_and_may_use_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1\nB=2\n")
    (tmp_path / "b").write_text("B=3\nC=${A}${B}${D}\n")
    assert variables("env_file: [a, b]", tmp_path, D="4") == {"A": "1", "B": "3", "C": "134"}


def test_a_path_may_begin_at_home_or_with_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a").write_text("A=1")
    (tmp_path / "b").write_text("B=2")
    written = read("env_file: ['~/a', '${KITE_CWD}/b']")
    manifest = expand_manifest(written, {"KITE_CWD": str(tmp_path)})
    assert variables_of(manifest.env_file, "/", known={}) == {"A": "1", "B": "2"}


def test_a_missing_file_is_named_with_the_line_that_names_it(tmp_path: Path) -> None:
    error = refused(variables, "env_file: a.env", tmp_path)
    assert error.code == "env_file_missing"
    assert (error.params["path"], error.params["line"]) == (str(tmp_path / "a.env"), 4)
    assert "module.md:4" in error.message
    assert variables("env_file: a.env?", tmp_path) == {}


def test_what_is_no_file_of_text_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"A=1\nB=\xe9")
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfA=1")
    assert refused(variables, "env_file: pipe", tmp_path).code == "env_file_unreadable"
    assert refused(variables, "env_file: .", tmp_path).code == "env_file_unreadable"
    broken = refused(variables, "env_file: latin", tmp_path)
    assert (broken.code, broken.params["line"]) == ("env_file_wrong", 2)
    assert variables("env_file: bom", tmp_path) == {"A": "1"}


def test_every_wrong_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("A\n")
    files = read("env_file: [a, b, 'c?']").env_file
    codes = [error.code for error in mistakes_in(files, str(tmp_path), known={})]
    assert codes == ["env_file_missing", "env_file_wrong"]


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n", "abc"), (b"a\n\n", "a\n"), (b" a ", " a ")],
)
def test_a_secret_is_the_file_without_its_last_line_end(
    content: bytes, value: str, tmp_path: Path
) -> None:
    secret(tmp_path, content)
    assert values_of(read("secrets: {API_KEY: key}").secrets, str(tmp_path)) == {"API_KEY": value}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o666])
def test_a_secret_that_others_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    secret(tmp_path, b"abc", mode)
    error = refused(values_of, read("secrets: {API_KEY: key}").secrets, str(tmp_path))
    assert error.code == "secret_open"
    assert f"{mode:04o}" in error.message
    assert error.hint == f"run chmod 600 {tmp_path / 'key'}"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"\xff", b"a" * (MAX_SECRET_BYTES + 1)])
def test_what_no_variable_can_hold_is_no_secret(content: bytes, tmp_path: Path) -> None:
    secret(tmp_path, content)
    error = refused(values_of, read("secrets: {API_KEY: key}").secrets, str(tmp_path))
    assert error.code == "secret_unreadable"


def test_a_missing_secret_is_named_with_the_line_that_names_it(tmp_path: Path) -> None:
    error = refused(values_of, read("secrets: {API_KEY: key}").secrets, str(tmp_path))
    assert error.code == "secret_missing"
    assert "module.md:4" in error.message


def test_a_variable_is_plain_or_secret() -> None:
    with pytest.raises(ConfigErrors) as raised:
        read("env: {A: b}\nsecrets: {A: key, KITE_B: key}")
    assert [error.code for error in raised.value.errors] == ["secret_and_env", "env_reserved"]
