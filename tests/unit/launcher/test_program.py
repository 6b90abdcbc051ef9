"""Whether a command can be run, found out before the fork."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kite.errors import ModuleError
from kite.launcher.program import resolve


def script(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def code_of(argv: list[str], cwd: Path, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ModuleError) as caught:
        resolve(argv, cwd=cwd, env=env or {})
    assert "{" not in str(caught.value)  # every placeholder is filled
    return caught.value.code


def test_a_word_without_slash_is_looked_for_on_the_modules_own_path(tmp_path: Path) -> None:
    found = script(tmp_path / "tool")
    assert resolve(["tool"], cwd=tmp_path, env={"PATH": f"/nowhere:{tmp_path}"}) == found
    assert code_of(["tool"], tmp_path, {"PATH": "/nowhere"}) == "program_not_found"


def test_the_sentence_does_not_hold_the_whole_path(tmp_path: Path) -> None:
    """It goes into tables; who needs the folders finds them in the error's parameters."""
    with pytest.raises(ModuleError) as caught:
        resolve(["tool"], cwd=tmp_path, env={"PATH": "/no/where:/at/all"})
    assert caught.value.english == "the program 'tool' was not found in PATH"
    assert caught.value.params["path"] == "/no/where:/at/all"
    assert resolve(["sh"], cwd=tmp_path, env={}).name == "sh"  # no PATH: the system's own


def test_a_word_with_slash_is_relative_to_the_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    found = script(tmp_path / "bin" / "tool")
    assert resolve(["bin/tool"], cwd=tmp_path, env={}) == found
    assert resolve([str(found)], cwd=tmp_path, env={}) == found
    assert code_of(["./tool"], tmp_path) == "program_not_found"


def test_what_cannot_be_run_is_told_apart_from_what_is_not_there(tmp_path: Path) -> None:
    script(tmp_path / "tool", mode=0o644)
    assert code_of(["./tool"], tmp_path) == "not_executable"
    assert code_of(["tool"], tmp_path, {"PATH": str(tmp_path)}) == "not_executable"
    (tmp_path / "folder").mkdir()
    assert code_of(["./folder"], tmp_path) == "not_executable"


def test_the_path_is_searched_past_what_cannot_be_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    script(tmp_path / "one" / "tool", mode=0o644)
    found = script(tmp_path / "two" / "tool")
    path = f"{tmp_path}/one:{tmp_path}/two"
    assert resolve(["tool"], cwd=tmp_path, env={"PATH": path}) == found


@pytest.mark.parametrize("line", ["#!/no/such/python\n", "#!\n", "#! \n", "#!/etc/passwd -x\n"])
def test_a_missing_interpreter_is_named(tmp_path: Path, line: str) -> None:
    script(tmp_path / "tool", line)
    assert code_of(["./tool"], tmp_path) == "bad_interpreter"


def test_a_windows_line_end_in_the_first_line_shows(tmp_path: Path) -> None:
    script(tmp_path / "tool", "#!/bin/sh\r\n")
    assert code_of(["./tool"], tmp_path) == "bad_interpreter"


def test_a_text_without_first_line_is_not_a_program(tmp_path: Path) -> None:
    script(tmp_path / "tool", "echo hello\n")
    assert code_of(["./tool"], tmp_path) == "not_executable"
    script(tmp_path / "empty", "")
    assert code_of(["./empty"], tmp_path) == "not_executable"


def test_no_words_and_no_folder(tmp_path: Path) -> None:
    assert code_of([], tmp_path) == "program_not_found"
    assert code_of([""], tmp_path) == "program_not_found"
    assert code_of(["sh"], tmp_path / "gone") == "folder_not_found"


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
def test_a_folder_that_may_not_be_entered_holds_nothing(tmp_path: Path) -> None:
    """As `sudo -E` leaves one on the PATH."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    closed, public = tmp_path / "closed", tmp_path / "open"
    closed.mkdir(mode=0o700)
    public.mkdir()
    script(public / "tool")
    path = {"PATH": f"{closed}:{public}"}
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        wrong = 0
        try:
            wrong += resolve(["tool"], cwd=public, env=path) != public / "tool"
            wrong += code_of(["none"], public, path) != "program_not_found"
            wrong += code_of([f"{closed}/tool"], public) != "program_not_found"
        except BaseException:  # noqa: BLE001  (nothing of the tests may run on in this process)
            wrong = 9
        os._exit(wrong)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
