"""Where `kite` begins: finds the language, runs the verb, and turns what went wrong into one
sentence on standard error and an exit status."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from kite.errors import ConfigError, KiteError
from kite.locale import LANGUAGES, language

INTERRUPTED = 130
COMPLETE = "_KITE_COMPLETE"


def main() -> NoReturn:
    """The console script. Leaves with the statuses of docs/reference/cli.md."""
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _leave_stdout()
    # No threads, no children to wait for: what is left to do is the interpreter's own tidying.
    sys.stderr.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    environ = dict(os.environ)
    wrong_language = _speak(arguments)
    from kite.cli import report

    wants_json = "--json" in arguments
    try:
        if wrong_language:
            raise ConfigError("unknown_language", value=wrong_language, known=", ".join(LANGUAGES))
        from kite.cli.command import invoke
        from kite.cli.session import Session

        return invoke(arguments, Session(environ=environ), os.environ.get(COMPLETE))
    except KiteError as error:
        report.error(error, wants_json=wants_json)
        return report.exit_status(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _leave_stdout()  # `kite ps | head -1`: the reader has had enough
        return 0
    except PermissionError as refused:
        path = str(refused.filename or "?")
        denied = ConfigError("no_access", path=path, detail=refused.strerror or "")
        report.error(denied, wants_json=wants_json)
        return report.exit_status(denied)
    except Exception as bug:  # noqa: BLE001  (the edge of the command line)
        return report.bug(bug)


def _speak(arguments: list[str]) -> str | None:
    """Choose the language before anything with words in it is loaded; the value when it is none."""
    chosen = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--lang" and position + 1 < len(arguments):
            chosen = arguments[position + 1]
        elif argument.startswith("--lang="):
            chosen = argument.removeprefix("--lang=")
    if chosen is not None:
        if chosen.lower().replace("-", "_").split("_")[0] not in ("en", "zh"):
            return chosen or "''"
        os.environ["KITE_LANG"] = chosen
    if language() != "en":
        import gettext
        from pathlib import Path

        import kite.locale

        # click asks gettext's present domain for its few words ("Usage:", "Options").
        os.environ["LANGUAGE"] = language()
        gettext.bindtextdomain("kite", str(Path(kite.locale.__file__).parent))
        gettext.textdomain("kite")
    return None


def _leave_stdout() -> None:
    """Let nothing more be written to a pipe whose reader is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    main()
