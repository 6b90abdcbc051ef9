"""The program of a warm process, run as the interpreter would: as `__main__`, from its first line
to its traceback, its exit status and all that happens at the end."""

from __future__ import annotations

import builtins
import os
import runpy
import sys
import types
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import CodeType


@dataclass(frozen=True, slots=True, kw_only=True)
class MainProgram:
    """A file, or a module that is named.

    Args:
        file, module: exactly one of the two.
    """

    file: str | None = None
    module: str | None = None

    @classmethod
    def of(cls, argv: list[str]) -> MainProgram:
        """`[python, "-u", file]` or `[python, "-m", module]`."""
        _, option, word = argv
        return cls(file=word) if option == "-u" else cls(module=word)

    def prepare(self, argv: list[str], path: list[str]) -> None:
        """Let `sys` say with what it was started, and where it imports from."""
        sys.orig_argv = argv
        sys.argv = [self.file] if self.file is not None else ["-m"]
        sys.path[:] = path

    def run(self) -> int:
        """Run it to its end; 0 where that is simply its last line.

        Raises:
            BaseException: what the program leaves uncaught, for the interpreter to deal with.
        """
        if self.module is not None:
            runpy._run_module_as_main(self.module)  # type: ignore[attr-defined]
        else:
            assert self.file is not None
            _run_file(self.file)
        return 0


def _run_file(file: str) -> None:
    main = types.ModuleType("__main__")
    main.__dict__.update(
        __loader__=SourceFileLoader("__main__", file),
        __annotations__={},
        __builtins__=builtins,
        __file__=file,
        __cached__=None,
    )
    code = _compiled(file)
    sys.modules["__main__"] = main
    uncaught = _uncaught(code, main.__dict__)
    if uncaught is not None:
        _show(uncaught)
        sys.excepthook = lambda *_: None
        raise uncaught  # the interpreter decides about the exit status


def _uncaught(code: CodeType, names: dict[str, object]) -> BaseException | None:
    """Run it; the exception that comes out, with the part of its traceback that is the program's.

    Raises:
        SystemExit: which needs no traceback.
    """
    try:
        exec(code, names)  # noqa: S102  (this is what a process is for)
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  (it is shown, and raised again)
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not code:
            trace = trace.tb_next
        return error.with_traceback(trace)
    return None


def _show(uncaught: BaseException) -> None:
    """Let the program's own hook, or Python's, tell of it; what the interpreter does at this point."""
    trace = uncaught.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = type(uncaught), uncaught, trace
    try:
        sys.excepthook(type(uncaught), uncaught, trace)
    except SystemExit:
        raise
    except BaseException as failure:  # noqa: BLE001  (the hook is the program's)
        wrong = failure.with_traceback(failure.__traceback__ and failure.__traceback__.tb_next)
    else:
        return
    print("Error in sys.excepthook:", file=sys.stderr)  # noqa: T201
    sys.__excepthook__(type(wrong), wrong, wrong.__traceback__)
    print("\nOriginal exception was:", file=sys.stderr)  # noqa: T201
    sys.__excepthook__(type(uncaught), uncaught, trace)


def _compiled(file: str) -> CodeType:
    """What is in the file. Where that is no program, an interpreter of its own says so, in this
    same process and in its own words."""
    try:
        with open(file, "rb") as source:  # noqa: PTH123  (closed before the program begins)
            text = source.read()
        return compile(text, file, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606
