"""How a command of the person's becomes modules of a throw-away project."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kite.conformance.candidate import BYSTANDER, Candidate, bystander, resolved, settings
from kite.errors import ConfigError
from kite.model.manifest import parse_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "prove"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "main.rb").write_text("")
    return tmp_path


def test_words_that_are_files_mean_the_same_everywhere(folder: Path) -> None:
    """Options, texts and the program on the PATH stay as they are."""
    path = str(folder / "bin")
    assert resolved(["prove", "-x", "main.rb", "prove", "5", ""], folder, path) == (
        "prove", "-x", str(folder / "main.rb"), "prove", "5", "",
    )  # fmt: skip
    assert resolved(["bin/prove"], folder, "")[0] == str(folder / "bin" / "prove")


def test_links_stay_links(folder: Path) -> None:
    """The interpreter of a virtual environment knows it by the path it is called by."""
    (folder / "python").symlink_to(folder / "bin" / "prove")
    assert resolved(["./python"], folder, "")[0] == str(folder / "python")


@pytest.mark.parametrize("program", ["nothing", "./nothing", "main.rb", "bin"])
def test_a_program_that_is_none_is_named(folder: Path, program: str) -> None:
    """Before anything is started."""
    with pytest.raises(ConfigError) as wrong:
        resolved([program], folder, str(folder))
    assert wrong.value.code == "conformance_no_program"
    assert f"'{program}'" in wrong.value.message


def test_its_manifests_are_right_and_keep_every_dollar(tmp_path: Path) -> None:
    """All of its modules run the same words, which nobody expands."""
    candidate = Candidate(command=("/bin/x", "$HOME", "${KITE_CWD}"), home="/home/$x")
    texts = candidate.manifests() | {BYSTANDER: bystander()[1] | {"entry": "main.py"}}
    (tmp_path / "main.py").write_text("")
    for name, keys in texts.items():
        front = yaml.safe_dump({"name": name, **keys}, sort_keys=False)
        manifest = parse_manifest(f"---\n{front}---\n", str(tmp_path / "module.md"))
        assert manifest.name == name
        if name != BYSTANDER:
            assert keys["command"][-3:] == ["/bin/x", "$$HOME", "$${KITE_CWD}"]
            assert keys["env"] == {"HOME": "/home/$$x"}
    assert texts["conformance_narrow"]["events"]["subscribe"] == []
    assert set(settings()["hub"]["streams"]) == {"conformance"}
