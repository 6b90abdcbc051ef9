"""The C module: what somebody needs who begins with a language that Kite does not know."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kite.conformance.cases.everything import CASES
from kite.errors import RequestError
from kite.testing.system import System

from .driver import document, typed, verdicts
from .mutant import C_MODULE, COMPILER, compiled

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)"),
]

SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")


def sanitizers(folder: Path) -> tuple[str, ...]:
    """The flags, where the compiler has what they need."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    words = [str(COMPILER), *SANITIZERS, "-o", str(folder / "probe"), str(source)]
    has_them = subprocess.run(words, capture_output=True, check=False).returncode == 0
    return SANITIZERS if has_them else ()


def test_the_c_module_passes_all_that_every_module_has_to(tmp_path: Path) -> None:
    """Under the sanitizers, which end it at the first wrong access; the rest it does not offer."""
    program = compiled(tmp_path / "conformance", *sanitizers(tmp_path))
    outcome = typed(tmp_path, "--json", "--timeout", "60", "--", str(program))
    expected = {
        case.name: "not_offered" if case.feature or case.vectors else "passed" for case in CASES
    }
    assert verdicts(document(outcome)) == expected, outcome.out


def test_the_example_greets(tmp_path: Path) -> None:
    """What its README says works: names with any character, and a refusal with a code."""
    compiled(tmp_path / "hello", *sanitizers(tmp_path))
    with System(tmp_path, extensions=False) as system:
        folder = system.project / "modules" / "hello"
        folder.mkdir(parents=True)
        shutil.copy(C_MODULE / "module.md", folder)
        shutil.copy(tmp_path / "hello", folder)
        system.up("--wait")
        greeted = system.request(
            "hello.greet", {"later": [{"name": "no"}], "name": 'Ada "\n\u00e9\U0001f642'}
        )
        assert greeted == {"text": 'hello, Ada "\n\u00e9\U0001f642'}
        with pytest.raises(RequestError) as refused:
            system.request("hello.greet", {"name": 5})
        assert refused.value.code == "name_missing"
        assert system.act("stop", "hello")["exit_code"] == 0


def test_the_makefile_makes_both_without_a_warning(tmp_path: Path) -> None:
    """As strictly as it says, and `make clean` takes them away."""
    if shutil.which("make") is None:
        pytest.skip("there is no make")
    folder = tmp_path / "c-module"
    shutil.copytree(C_MODULE, folder, ignore=shutil.ignore_patterns("hello", "conformance"))
    before = sorted(path.name for path in folder.iterdir())
    done = subprocess.run(["make", "all"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "hello").exists()
    assert (folder / "conformance").exists()
    subprocess.run(["make", "clean"], cwd=folder, capture_output=True, check=True)
    assert sorted(path.name for path in folder.iterdir()) == before
