"""Where `kite` begins: finds the language, runs the verb, and turns what went wrong into one
sentence on standard error and an exit status."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys

from kite import standard_streams

TYPE_CHECKING = False  # as in typing: whatever is imported up here, Ctrl-C ends with a traceback
if TYPE_CHECKING:
    from typing import NoReturn

INTERRUPTED = 130
COMPLETE = "_KITE_COMPLETE"
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def main() -> NoReturn:
    """The console script. Leaves with the statuses of docs/reference/cli.md."""
    standard_streams.open_missing()
    _end_on_ctrl_c()
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        status = INTERRUPTED
    _end_on_ctrl_c()
    try:
        sys.stdout.flush()
    except OSError as refused:
        status = _without_output(refused, status)
    # No threads, no children to wait for: what is left to do is the interpreter's own tidying.
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(status)


def run(arguments: list[str]) -> int:  # noqa: PLR0911  (one for each way to end)
    """Run one command line and return its exit status."""
    environ = dict(os.environ)
    wrong_language = _speak(arguments)
    from kite.cli import report
    from kite.errors import ConfigError, KiteError
    from kite.locale import LANGUAGES

    wants_json = "--json" in arguments
    try:
        if wrong_language:
            raise ConfigError("unknown_language", value=wrong_language, known=", ".join(LANGUAGES))
        from kite.cli.command import invoke
        from kite.cli.session import Session

        _interrupt_on_ctrl_c()
        return invoke(arguments, Session(environ=environ), os.environ.get(COMPLETE))
    except KiteError as error:
        report.error(error, wants_json=wants_json)
        return report.exit_status(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError as left:
        return _without_output(left, 0, wants_json=wants_json)
    except PermissionError as refused:
        path = str(refused.filename or "?")
        denied = ConfigError("no_access", path=path, detail=refused.strerror or "")
        report.error(denied, wants_json=wants_json)
        return report.exit_status(denied)
    except OSError as refused:
        if refused.filename is None and refused.errno in _NO_ROOM:
            return _without_output(refused, report.UNKNOWN, wants_json=wants_json)
        return report.bug(refused)
    except Exception as bug:  # noqa: BLE001  (the edge of the command line)
        if isinstance(bug.__cause__, KeyboardInterrupt):  # it came while a class was being made
            return INTERRUPTED
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
    from kite.locale import language

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


def _without_output(refused: OSError, status: int, *, wants_json: bool = False) -> int:
    """Standard output takes no more: write nothing more to it, and say so unless its reader has
    just had enough, as in `kite ps | head -1`."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if isinstance(refused, BrokenPipeError):
        return status
    from kite.cli import report
    from kite.errors import ConfigError

    error = ConfigError("output_refused", detail=refused.strerror or str(refused))
    report.error(error, wants_json=wants_json)
    return status or report.exit_status(error)


def _end_on_ctrl_c() -> None:
    """Let Ctrl-C end this process at once: there is nothing to clear up. Where it is ignored, as
    under nohup, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt_on_ctrl_c() -> None:
    """Let Ctrl-C interrupt a verb, which has its own way of ending."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    main()
