"""One word changes; nothing else does."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kite.errors import ConfigError
from kite.model.document import parse_document
from kite.model.edit import Edit, set_in_file, set_state, set_word
from kite.model.manifest import ConfigState, Manifest
from kite.model.scan import Found

HERE = ("modules", "a", "state")


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        (("state",), "state: enabled\n", "state: X\n"),
        (
            ("state",),
            "a: 1\nstate:   'enabled'   # why\nb: 2\n",
            "a: 1\nstate:   X   # why\nb: 2\n",
        ),
        (("state",), '"state": "enabled"\n', '"state": X\n'),
        (("state",), "{name: a, state: enabled}", "{name: a, state: X}"),
        (("state",), '{"name":"a","state":"enabled"}', '{"name":"a","state": X}'),
        (("state",), "state: !!str enabled\n", "state: X\n"),
        (("state",), "state: &mine enabled\n", "state: X\n"),
        (("state",), "s: &s enabled\nstate: *s\n", "s: &s enabled\nstate: X\n"),
        (("state",), "state:\n  enabled\nb: 1\n", "state:\n  X\nb: 1\n"),
        (("state",), "state: >-\n  enabled\nb: 1\n", "state: X\nb: 1\n"),
        (("state",), "state:\n", "state: X\n"),
        (("state",), "name: a # b\nrest: 1\n", "name: a # b\nstate: X\nrest: 1\n"),
        (("state",), "rest: 1\nname: a", "rest: 1\nname: a\nstate: X"),
        (("state",), "# top\nlist:\n  - 1\n", "# top\nlist:\n  - 1\nstate: X\n"),
        (("state",), "{name: a}", "{state: X, name: a}"),
        (("state",), "{}", "{state: X}"),
        (("state",), "? name\n: a\n", "state: X\n? name\n: a\n"),
        (HERE, "", "modules:\n  a:\n    state: X\n"),
        (HERE, "# mine", "# mine\nmodules:\n  a:\n    state: X"),
        (HERE, "hub: {}\n", "hub: {}\nmodules:\n  a:\n    state: X\n"),
        (HERE, "modules:  # none yet\n", "modules:  # none yet\n  a:\n    state: X\n"),
        (HERE, "modules:\n  a:\nhub: {}\n", "modules:\n  a:\n    state: X\nhub: {}\n"),
        (HERE, "modules: {b: {state: manual}}\n", "modules: {a: {state: X}, b: {state: manual}}\n"),
        (
            HERE,
            "modules:\n    b:\n        env: {A: x}\n\n# hub\nhub: {}\n",
            "modules:\n    b:\n        env: {A: x}\n    a:\n      state: X\n\n# hub\nhub: {}\n",
        ),
        (
            HERE,
            "modules:\n  a:\n    env:\n      A: x\n    # tail\n  b: {}\n",
            "modules:\n  a:\n    env:\n      A: x\n    state: X\n    # tail\n  b: {}\n",
        ),
    ],
)
def test_layouts(path: tuple[str, ...], before: str, after: str) -> None:
    edited = set_word(before, path, "X")
    assert parse_document(edited, "").plain == with_word(
        parse_document(before, "").plain, path, "X"
    )
    assert edited == after


def with_word(value: Any, path: tuple[str, ...], word: str) -> Any:
    if not path:
        return word
    return {**(value or {}), path[0]: with_word((value or {}).get(path[0]), path[1:], word)}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("state",), "state: &s manual\nalso: *s\n"),
        (HERE, "modules:\n  b: &b {state: manual}\n  a: *b\n"),
        (HERE, "modules:\n  a: &a\n    state: manual\n  b: *a\n"),
        (HERE, "modules: [a]\nstate: manual\n"),
    ],
)
def test_what_others_share_is_not_touched(path: tuple[str, ...], text: str) -> None:
    try:
        edited = set_word(text, path, "enabled")
    except ConfigError as error:
        assert error.code == "not_editable"  # noqa: PT017  (either is right, a wrong text is not)
    else:
        assert parse_document(edited, "").plain == {
            **parse_document(text, "").plain,
            "modules": {"a": {"state": "enabled"}},
        }


SCALARS = st.sampled_from(
    ["1", "x", "'q: r'", '"d"', "null", "[1, two]", "{k: v}", "|\n  lines\n  more", "~"]
)
COMMENTS = st.sampled_from(["", "  # note", "\n# line", "\n\n"])


@st.composite
def mappings(draw: st.DrawFn) -> str:
    keys = draw(
        st.lists(st.sampled_from(["name", "b", "c", "state", "x-d"]), unique=True, min_size=1)
    )
    lines = []
    for key in keys:
        value = (
            draw(st.sampled_from(["enabled", "'manual'", '"disabled"']))
            if key == "state"
            else draw(SCALARS)
        )
        comment = draw(COMMENTS)
        lines.append(
            f"{key}: {value}"
            + ("" if value.startswith("|") and comment.startswith("  ") else comment)
        )
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n# end\n"]))


@given(mappings(), st.sampled_from(["enabled", "manual", "disabled"]), st.booleans())
def test_only_the_one_key_changes_and_the_rest_stays(text: str, word: str, windows: bool) -> None:
    newline = "\r\n" if windows else "\n"
    text = text.replace("\n", newline)
    before = parse_document(text, "").plain
    edited = set_word(text, ("state",), word, newline=newline)
    assert parse_document(edited, "").plain == {**before, "state": word}
    assert set_word(edited, ("state",), word, newline=newline) == edited
    if "state" in before and before["state"] is not None:
        back = set_word(edited, ("state",), "zzz", newline=newline)
        assert len(back.splitlines()) == len(text.splitlines())
    else:
        added = f"state: {word}"
        kept = [line for line in edited.split(newline) if line != added]
        assert kept == text.split(newline) or [*kept, ""] == text.split(newline)


def found(folder: Path, source: str = "project", name: str = "a") -> Found:
    return Found(
        manifest=Manifest(name=name), folder=folder, source=source, file=folder / "module.md"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "modules" / "a"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_manifest_keeps_everything_but_the_word(folder: Path, newline: str, mark: str) -> None:
    lines = [
        mark + "---",
        "name: a  # mine",
        "state: 'manual'",
        "---",
        "",
        "state: manual in the text",
        "\tend",
    ]
    file = folder / "module.md"
    file.write_bytes(newline.join(lines).encode())
    file.chmod(0o640)
    edit = set_state(found(folder), ConfigState.DISABLED, project_dir=folder.parent.parent)
    assert edit == Edit(file=file, old=ConfigState.ENABLED, new=ConfigState.DISABLED)
    lines[2] = "state: disabled"
    assert file.read_bytes().decode() == newline.join(lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(folder.iterdir()) == [file]


def test_a_manifest_without_the_key_gets_it(folder: Path) -> None:
    file = folder / "module.md"
    file.write_bytes(b"---\r\nname: a\r\ncommand: [x]\r\n---\r\nbody")
    set_state(found(folder), ConfigState.MANUAL, project_dir=folder.parent.parent)
    assert file.read_bytes() == b"---\r\nname: a\r\nstate: manual\r\ncommand: [x]\r\n---\r\nbody"


class TestWhere:
    MANIFEST = "---\nname: a\ncommand: [x]\n---\n"

    def change(self, project: Path, module: Found) -> Path:
        (module.folder / "module.md").write_text(self.MANIFEST)
        return set_state(module, ConfigState.DISABLED, project_dir=project).file

    def test_an_override_of_the_state_wins(self, tmp_path: Path, folder: Path) -> None:
        file = tmp_path / "kite.yaml"
        file.write_text("modules:\n  a: {state: manual}\n")
        assert self.change(tmp_path, found(folder)) == file
        assert file.read_text() == "modules:\n  a: {state: disabled}\n"
        assert (folder / "module.md").read_text() == self.MANIFEST

    def test_an_override_of_something_else_does_not(self, tmp_path: Path, folder: Path) -> None:
        (tmp_path / "kite.yaml").write_text("modules:\n  a: {env: {A: b}}\n")
        assert self.change(tmp_path, found(folder)) == folder / "module.md"

    def test_a_module_outside_the_project(self, tmp_path: Path, folder: Path) -> None:
        project = tmp_path / "elsewhere"
        project.mkdir()
        assert self.change(project, found(folder, "user")) == project / "kite.yaml"
        assert (project / "kite.yaml").read_text() == "modules:\n  a:\n    state: disabled\n"

    def test_an_extension_is_never_written_to(self, tmp_path: Path, folder: Path) -> None:
        assert self.change(tmp_path, found(folder, "extensions")) == tmp_path / "kite.yaml"

    def test_a_core_module_stays_enabled(self, tmp_path: Path, folder: Path) -> None:
        with pytest.raises(ConfigError) as raised:
            self.change(tmp_path, found(folder, "core"))
        assert (raised.value.code, raised.value.status) == ("core_stays_enabled", 403)


def test_a_file_that_broke_meanwhile_is_left_alone(folder: Path) -> None:
    file = folder / "module.md"
    file.write_text("---\nname: a\nname: b\n---\n")
    with pytest.raises(ConfigError) as raised:
        set_state(found(folder), ConfigState.MANUAL, project_dir=folder.parent.parent)
    assert raised.value.code == "repeated_key"
    assert file.read_text() == "---\nname: a\nname: b\n---\n"


class TestNothingToWrite:
    """What is in effect already stays as it was written, to the byte and the file."""

    def change(self, project: Path, module: Found, state: ConfigState) -> tuple[Path, bool]:
        """The file of the edit, and whether any file was written."""
        files = [project / "kite.yaml", module.file]
        before = [file.exists() and file.stat().st_ino for file in files]
        edit = set_state(module, state, project_dir=project)
        assert edit.new is state
        return edit.file, before != [file.exists() and file.stat().st_ino for file in files]

    @pytest.mark.parametrize("line", ["", "state: enabled\n", "state:   'enabled'  # why\n"])
    def test_in_the_manifest(self, tmp_path: Path, folder: Path, line: str) -> None:
        file = folder / "module.md"
        file.write_text(f"---\nname: a\n{line}command: [x]\n---\n")
        text = file.read_text()
        module = found(folder)
        assert self.change(tmp_path, module, ConfigState.ENABLED) == (file, False)
        assert file.read_text() == text
        assert self.change(tmp_path, module, ConfigState.DISABLED) == (file, True)
        assert self.change(tmp_path, module, ConfigState.DISABLED) == (file, False)

    def test_in_the_project(self, tmp_path: Path, folder: Path) -> None:
        file = tmp_path / "kite.yaml"
        file.write_text("modules:\n  a: {state: manual}\n")
        (folder / "module.md").write_text("---\nname: a\ncommand: [x]\n---\n")
        module = found(folder)
        assert self.change(tmp_path, module, ConfigState.MANUAL) == (file, False)
        # The manifest's own word does not count beside an override.
        assert self.change(tmp_path, module, ConfigState.ENABLED) == (file, True)

    def test_outside_the_project(self, tmp_path: Path, folder: Path) -> None:
        project = tmp_path / "elsewhere"
        project.mkdir()
        (folder / "module.md").write_text("---\nname: a\nstate: manual\ncommand: [x]\n---\n")
        module = found(folder)
        file = project / "kite.yaml"
        assert self.change(project, module, ConfigState.MANUAL) == (file, False)
        assert not file.exists()
        assert self.change(project, module, ConfigState.ENABLED) == (file, True)

    def test_what_somebody_wrote_since_the_scan_counts(self, tmp_path: Path, folder: Path) -> None:
        file = folder / "module.md"
        file.write_text("---\nname: a\nstate: disabled\ncommand: [x]\n---\n")
        module = found(folder)
        assert module.manifest.state is ConfigState.ENABLED  # what was there when it was scanned
        assert self.change(tmp_path, module, ConfigState.ENABLED) == (file, True)
        assert "state: enabled" in file.read_text()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("state: manual\n")
    (tmp_path / "kite.yaml").symlink_to("real.yaml")
    set_in_file(tmp_path / "kite.yaml", ("state",), "enabled")
    assert (tmp_path / "kite.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "state: enabled\n"


def test_a_full_disk_is_said_and_leaves_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kite.yaml"
    file.write_text("state: manual\n")
    # Whoever runs the tests may be allowed to write anywhere: the disk is full instead.
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigError) as raised:
        set_in_file(file, ("state",), "enabled")
    assert raised.value.code == "file_not_writable"
    assert "No space left" in raised.value.message
    assert str(file) in raised.value.message
    assert file.read_text() == "state: manual\n"
    assert list(tmp_path.iterdir()) == [file]


def refuse(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_what_somebody_writes_at_the_same_moment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`file_changed`: nothing is written over it."""
    file = tmp_path / "kite.yaml"
    file.write_text("state: manual\n")

    def meanwhile(*given: Any, **more: Any) -> str:
        file.write_text("state: disabled  # by hand\n")
        return set_word(*given, **more)

    monkeypatch.setattr("kite.model.edit.set_word", meanwhile)
    with pytest.raises(ConfigError) as raised:
        set_in_file(file, ("state",), "enabled")
    assert raised.value.code == "file_changed"
    assert file.read_text() == "state: disabled  # by hand\n"
    assert list(tmp_path.iterdir()) == [file]
