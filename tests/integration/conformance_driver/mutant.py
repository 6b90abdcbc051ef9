"""Conformance modules with one fault each: the good ones of examples/, with a text in a source changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
C_MODULE = EXAMPLES / "c-module"
PYTHON_MODULE = EXAMPLES / "conformance" / "python" / "main.py"
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
LIBRARY = ("kite", "wire", "json")
_MAINS = {"hello": "main", "conformance": "conformance"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A fault, and the case that has to find it.

    Args:
        name: what is wrong, as the name of a module.
        file: of the sources.
        old, new: the text that is replaced, everywhere in the file.
        case: the name of the case that fails.
        says: what its result says, in `expected` or `seen`.
    """

    name: str
    file: str
    old: str
    new: str
    case: str
    says: str

    def make(self, folder: Path, objects: Path) -> tuple[str, ...]:
        """Write it into a folder; the command that starts it.

        Args:
            objects: the folder of the good sources' objects, see `compile_objects`.
        """
        folder.mkdir()
        if self.file == PYTHON_MODULE.name:
            (folder / self.file).write_text(self._changed(PYTHON_MODULE))
            return (sys.executable, str(folder / self.file))
        source = folder / self.file
        source.write_text(self._changed(C_MODULE / self.file))
        own = _compile(source, folder / f"{source.stem}.o")
        others = [objects / f"{name}.o" for name in ("conformance", *LIBRARY) if name != own.stem]
        program = folder / "conformance"
        _run("-o", str(program), str(own), *map(str, others))
        return (str(program),)

    def _changed(self, path: Path) -> str:
        text = path.read_text(encoding="utf-8")
        assert self.old in text, f"{path.name} has no more '{self.old}'"
        return text.replace(self.old, self.new)


def compile_objects(folder: Path) -> Path:
    """The objects of the good sources, in a folder; which is returned."""
    for name in ("conformance", *LIBRARY):
        _compile(C_MODULE / f"{name}.c", folder / f"{name}.o")
    return folder


def compiled(program: Path, *flags: str) -> Path:
    """`hello` or `conformance`, as its Makefile makes it; the program, which is returned."""
    sources = [str(C_MODULE / f"{name}.c") for name in (_MAINS[program.name], *LIBRARY)]
    _run("-Wall", "-Wextra", "-Werror", *flags, "-o", str(program), *sources)
    return program


def _compile(source: Path, to: Path) -> Path:
    _run("-O0", "-w", "-I", str(C_MODULE), "-c", "-o", str(to), str(source))
    return to


def _run(*words: str) -> None:
    assert COMPILER is not None
    command = [COMPILER, "-std=c11", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
