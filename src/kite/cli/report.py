"""What the command line says: data on standard output, messages and errors on standard error."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any

from kite import terminal
from kite.errors import InternalError, KiteError
from kite.locale import _

UNKNOWN = 1
_QUOTED = 10  # of the lines that a module printed before it failed


def error(problem: KiteError, *, wants_json: bool = False) -> None:
    """Say what went wrong and what to do next; with `--json` as one JSON object on a line."""
    if wants_json:
        document: dict[str, Any] = {
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
            "params": problem.params,
        }
        if problem.location:
            document["file"] = problem.location.file
            document["line"] = problem.location.line
        say(json.dumps(document, ensure_ascii=False, default=str))
        return
    color = terminal.wants_color(sys.stderr, os.environ)
    text = f"{problem.location}: {problem.message}" if problem.location else problem.message
    say(terminal.paint(_("error: "), "red", "bold", color=color) + text)
    for line in terminal.quoted(problem.params.get("last_lines"), most=_QUOTED, color=color):
        say("       " + line)
    if problem.hint:
        say("       " + terminal.paint(problem.hint, "dim", color=color))


def say(text: str) -> None:
    """A message for the person, on standard error. Where nobody can read it the work goes on."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()  # what was said before it stands before it, where both go to one file
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")  # in one piece, as others may write there too
        sys.stderr.flush()


def data(text: str) -> None:
    """Lines of data on standard output, at once and in one piece, as others may write there too."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def document(value: Any) -> None:
    """One JSON document on standard output."""
    data(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def line(value: Any) -> None:
    """One JSON object on a line of standard output: an item of a stream."""
    data(json.dumps(value, ensure_ascii=False, default=str))


def exit_status(problem: KiteError) -> int:
    """The exit status a command ends with after this error."""
    return getattr(problem, "exit_status", 0) or problem.kind.exit or UNKNOWN


def bug(problem: Exception) -> int:
    """Something nobody foresaw: the traceback, and a plea to report it."""
    import traceback

    say(traceback.format_exc().rstrip())
    error(InternalError("internal_error", detail=f"{type(problem).__name__}: {problem}"))
    return UNKNOWN


def stdout_color() -> bool:
    """Whether standard output gets colours."""
    return terminal.wants_color(sys.stdout, os.environ)


def stdout_columns() -> int | None:
    """How wide standard output is; None where it is no terminal, or one that does not say."""
    return (
        os.get_terminal_size(sys.stdout.fileno()).columns or None if sys.stdout.isatty() else None
    )
