"""The Launcher's process: `python -m kite.launcher.entry`, started by `kite up`."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from kite import standard_streams

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from kite.launcher.modes import Closed
    from kite.launcher.notifier import Notifier
    from kite.launcher.warm.template import Template


def main(arguments: list[str] | None = None) -> int:
    """Run a Launcher; the exit status (CONTRACT, section 8)."""
    standard_streams.open_missing()
    _end_on_ctrl_c()
    from kite.launcher.guard import protect  # noqa: PLC0415  (before anything heavy)

    protect()
    guard = os.getppid()
    # The guard does without all of this, and who comes second without the rest.
    from kite.errors import KiteError  # noqa: PLC0415
    from kite.launcher.instance import prepare_directories  # noqa: PLC0415
    from kite.model.instance_lock import InstanceLock  # noqa: PLC0415

    given = _given(sys.argv[1:] if arguments is None else arguments)
    try:
        closed = prepare_directories(given.instance_dir)
        lock = InstanceLock.acquire(given.instance_dir)
    except KiteError as error:
        _say(f"kite: {error}")
        return error.kind.exit

    from kite.launcher.forking import template_mark  # noqa: PLC0415
    from kite.launcher.notifier import Notifier  # noqa: PLC0415
    from kite.launcher.warm.early import fork_template  # noqa: PLC0415
    from kite.launcher.warm.newborn import Newborn  # noqa: PLC0415

    notifier = Notifier.taken_from(os.environ)  # before there is anybody to inherit it
    template = fork_template(template_mark())
    if isinstance(template, Newborn):
        return template.live()
    with lock:
        return _launch(given, guard, template, notifier, closed)


def _end_on_ctrl_c() -> None:
    """Until the loop hears it, Ctrl-C ends this process at once: nothing has been started. `kite
    up` holds it back until here, while the interpreter would answer with a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _given(words: list[str]) -> argparse.Namespace:
    import argparse  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="kite.launcher")
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--instance-dir", type=Path, required=True)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--detached", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(words)


def _launch(
    given: argparse.Namespace,
    guard: int,
    template: Template | None,
    notifier: Notifier,
    closed: list[Closed],
) -> int:
    import asyncio  # noqa: PLC0415

    from kite.errors import KiteError  # noqa: PLC0415
    from kite.launcher import cgroup  # noqa: PLC0415
    from kite.launcher.assembly import Options, run  # noqa: PLC0415
    from kite.launcher.console import Console  # noqa: PLC0415
    from kite.launcher.discovery import check_core  # noqa: PLC0415

    console: Console | None = None
    try:
        check_core()
        if not given.detached:
            console = Console.on(sys.stdout, quiet=given.quiet, verbose=given.verbose)
            console.header(_header(given))
        _log_to(given.instance_dir / "logs" / "launcher.log")
        options = Options(
            project_dir=given.project,
            instance_dir=given.instance_dir,
            workspace=given.workspace,
            console=console,
            verbose=given.verbose,
            template=template,
            notifier=notifier,
            closed=tuple(closed),
            ours=(os.getpid(), guard, *([template.pid] if template is not None else [])),
        )
        status, failure = asyncio.run(run(options))
        if failure is not None:
            raise failure
        return status
    except KiteError as error:
        if console is not None:
            console.close()
            console = None
        _say(f"kite: {error}")
        return error.kind.exit
    finally:
        if console is not None:
            console.close()
        if os.getppid() != guard:  # nobody else is left to do it
            cgroup.leave()


def _say(text: str) -> None:
    """To the person's terminal, or to the log."""
    import contextlib  # noqa: PLC0415

    with contextlib.suppress(OSError):  # a full disk, a reader that is gone
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _log_to(path: Path) -> None:
    import logging  # noqa: PLC0415
    import time  # noqa: PLC0415

    from kite.launcher.own_log import OwnLog  # noqa: PLC0415

    logging.raiseExceptions = False  # a disk that is full is no reason for tracebacks
    handler = OwnLog(path)
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ ! %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _header(given: object) -> dict[str, str]:
    import platform  # noqa: PLC0415

    from kite.version import __version__  # noqa: PLC0415

    shown = {
        "kite": __version__,
        "pid": str(os.getpid()),
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "platform": platform.platform(),
        "project": str(getattr(given, "project", "")),
        "instance directory": str(getattr(given, "instance_dir", "")),
    }
    secret = ("TOKEN", "SECRET", "PASSWORD", "KEY")
    for name in sorted(os.environ):
        if name.startswith("KITE_") and not any(word in name for word in secret):
            shown[name] = os.environ[name]
    return shown


if __name__ == "__main__":
    sys.exit(main())
