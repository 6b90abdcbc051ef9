"""`kite bench`: measure the Event Hub with the extension event_hub_bench."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from kite.cli import report
from kite.cli.command import Verb
from kite.cli.session import Session
from kite.cli.table import table
from kite.cli.usage import positive_seconds
from kite.errors import ModuleError
from kite.locale import _

MODULE = "event_hub_bench"


@click.command(
    cls=Verb,
    help=_(
        "Measure throughput, fan-out and latency through the running Event Hub, and print a table."
    ),
)
@click.option(
    "--timeout",
    callback=positive_seconds,
    default="300",
    show_default=True,
    metavar="SECONDS",
    help=_("how long to wait for the result"),
)
@click.pass_obj
def bench(session: Session, *, timeout: float) -> int:
    from kite.cli.control import module_path
    from kite.cli.operate import WAIT_SECONDS

    control = session.control()
    result = control.instance_dir / MODULE / "result.json"
    before = _stamp(result)
    control.post(module_path(MODULE, "/start?wait=1"), {"reason": "bench"}, timeout=WAIT_SECONDS)
    report.say(_("measuring; this takes a while"))
    try:
        _wait(control, result, before, timeout)
    finally:
        # A start is remembered: without this the next `kite up` would measure again.
        control.post(module_path(MODULE, "/stop?wait=1"), {"reason": "bench"}, timeout=WAIT_SECONDS)
    found = json.loads(result.read_text(encoding="utf-8"))
    if session.wants_json:
        report.document(found)
        return 0
    for line in lines(found["results"], color=report.stdout_color()):
        print(line)
    report.say(_("written to {file}").format(file=result))
    return 0


def lines(results: Sequence[Mapping[str, Any]], *, color: bool) -> list[str]:
    """The table of a result."""
    rows = [
        [
            str(row["name"]),
            number(row["value"]),
            str(row.get("unit", "")),
            str(row.get("detail", "")),
        ]
        for row in results
    ]
    headers = [_("MEASURED"), _("VALUE"), _("UNIT"), _("DETAIL")]
    return table(headers, rows, color=color, right=frozenset({1}))


def number(value: Any) -> str:
    """Digits in groups of three, and decimals for small numbers only."""
    if isinstance(value, float) and abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)


def _wait(control: Any, result: Any, before: object, timeout: float) -> None:
    """Until the result is written, or the module ends without one."""
    import os
    import time

    from kite.cli.control import module_path
    from kite.cli.inotify import Inotify

    deadline = time.monotonic() + timeout
    with Inotify([result.parent]) as watch:
        pid = control.get(module_path(MODULE)).json().get("pid")
        try:
            process = os.pidfd_open(pid) if pid else None
        except ProcessLookupError:
            process = None
        try:
            while _stamp(result) == before:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ModuleError("bench_failed", detail=_("no result in time"), module=MODULE)
                if process is None:
                    detail = _("it ended without a result")
                    raise ModuleError("bench_failed", detail=detail, module=MODULE)
                if watch.wait(left, also=[process]) and _stamp(result) == before:
                    detail = _("it ended without a result")
                    raise ModuleError("bench_failed", detail=detail, module=MODULE)
        finally:
            if process is not None:
                os.close(process)


def _stamp(file: Any) -> object:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
